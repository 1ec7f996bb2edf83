listen "http" {
  address = ":8080"
}

listen "http" {
  address = ":8081"
}

service "web" {}
