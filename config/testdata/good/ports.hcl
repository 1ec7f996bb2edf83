# Port 0 is any free port, so two of them are not the same.
listen "a" {
  address = "127.0.0.1:0"
}

listen "b" {
  address = "127.0.0.1:0"
}

listen "c" {
  address = "127.0.0.1:8080"
}

listen "d" {
  address = "127.0.0.2:8080"
}

service "web" {}
