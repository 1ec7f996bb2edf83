listen "http" {
  address = ""
}

service "web" {}
