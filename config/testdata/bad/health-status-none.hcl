service "web" {
  health_check {
    expect_status = []
  }
}
