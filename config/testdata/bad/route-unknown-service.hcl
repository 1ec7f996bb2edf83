service "web" {}
service "api" {}

route {
  service = "wbe"
}

route {
  path_prefix = "/images"
  service     = "cdn"
}
