listen "http" {
  address      = 8080
  idle_timeout = 60
}

service "web" {
  discover "static" {
    urls = "http://localhost:8081"
  }
  health_check {
    unhealthy_after = "two"
    expect_status   = [200, "204"]
  }
}
