service "web" {
  health_check {
    interval = "5s"
    timeout  = "10s"
  }
}
