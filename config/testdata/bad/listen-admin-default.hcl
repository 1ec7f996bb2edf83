listen "http" {
  address = ":9080"
}

service "web" {}
