service "web" {
  balance = "hash"
}
