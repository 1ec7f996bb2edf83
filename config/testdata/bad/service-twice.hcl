service "web" {}

service "web" {
  balance = "random"
}
