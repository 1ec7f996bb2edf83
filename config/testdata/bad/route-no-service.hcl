service "web" {}

route {
  path_prefix = "/"
}
