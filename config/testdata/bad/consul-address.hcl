consul {
  address = "consul.example.com"
}

service "web" {}
