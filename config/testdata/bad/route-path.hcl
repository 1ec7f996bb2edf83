service "web" {}

route {
  path_prefix = "api"
  service     = "web"
}

route {
  path_prefix = ""
  service     = "web"
}

route {
  path_prefix = "/search?q=1"
  service     = "web"
}

route {
  path_prefix = "/my%20files/../docs"
  service     = "web"
}
