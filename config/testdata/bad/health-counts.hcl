service "web" {
  health_check {
    healthy_after   = 0
    unhealthy_after = 1.5
  }
}
