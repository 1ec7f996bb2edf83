admin {
  address = ":8080"
}

service "web" {}
