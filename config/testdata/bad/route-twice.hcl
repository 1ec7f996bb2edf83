service "web" {}
service "api" {}

route {
  host    = "example.com"
  service = "web"
}

route {
  host    = "Example.COM"
  service = "api"
}
