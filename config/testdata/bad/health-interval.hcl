service "web" {
  health_check {
    interval = "1s"
  }
}
