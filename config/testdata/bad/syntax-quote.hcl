listen "http" {
  address = ":8080
}

service "web" {}
