consul {
  address = "http://127.0.0.1:85000"
}

service "web" {}
