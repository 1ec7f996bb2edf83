service "web" {
  health_check {
    path = "/health"
  }
