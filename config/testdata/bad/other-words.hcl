# A service, as other programs call it.
upstream "web" {
  server = "localhost:8081"
}

backend "web" {}

server {
  listen = 80
}
