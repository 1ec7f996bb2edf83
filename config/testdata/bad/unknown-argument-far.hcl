service "web" {
  health_check {
    method = "HEAD"
  }
}
