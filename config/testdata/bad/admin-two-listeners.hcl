listen "a" {
  address = "127.0.0.1:8080"
}

listen "b" {
  address = "127.0.0.2:8080"
}

admin {
  address = ":8080"
}

service "web" {}
