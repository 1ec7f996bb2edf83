listen "http" {
  address = ":8080"
}

admin {
  address = "0.0.0.0:8080"
}

service "web" {}
