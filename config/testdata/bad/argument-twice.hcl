listen "http" {
  address = ":8080"
  address = ":8081"
}

service "web" {}
