service "web" {
  health_check {
    expect_status = ["2xx", "299-200", "600", "101", "200,204"]
  }
}
