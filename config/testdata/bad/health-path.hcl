listen "http" {
  health_path = "health"
}

service "web" {
  health_check {
    path = "http://localhost:8081/health"
    host = "http://localhost"
  }
}
