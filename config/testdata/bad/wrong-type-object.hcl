service "web" {
  health_check {
    interval      = { seconds = 10 }
    timeout       = ["2s"]
    expect_status = { min = 200, max = 299 }
  }
}
