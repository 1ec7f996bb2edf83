service "web" {
  balance = "ewma"
}
