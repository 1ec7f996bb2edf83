service "web" {
  balance {
    policy = "random"
  }
}
