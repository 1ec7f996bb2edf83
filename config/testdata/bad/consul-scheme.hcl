consul {
  address = "tcp://127.0.0.1:8500"
}

service "web" {}
