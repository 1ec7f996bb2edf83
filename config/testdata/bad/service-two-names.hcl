service "web" "canary" {
  balance = "random"
}
