service {
  balance = "random"
}
