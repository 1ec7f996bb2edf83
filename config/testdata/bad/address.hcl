listen "a" {
  address = "8080"
}

listen "b" {
  address = "localhost"
}

listen "c" {
  address = "http://localhost:8080"
}

listen "d" {
  address = ":80800"
}

listen "e" {
  address = "::1:8080"
}

listen "f" {
  address = "*:8080"
}

listen "g" {
  address = ":http"
}

admin {
  address = "127.0.0.1:-1"
}

service "web" {}
