listen "public" {
  address = ":8080"
}

listen "private" {
  address = "10.0.0.1:8080"
}

service "web" {}
