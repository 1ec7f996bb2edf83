service "web" {}
service "api" {}

route {
  service = "web"
}
