service "web" {
  health_check {
    interval = 10s
  }
}
