service "web" {
  health_check {
    path = "/is it up"
  }
}
