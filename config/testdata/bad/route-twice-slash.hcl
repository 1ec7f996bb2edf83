service "web" {}
service "api" {}

route {
  path_prefix = "/api"
  service     = "web"
}

route {
  path_prefix = "/api/"
  service     = "api"
}
