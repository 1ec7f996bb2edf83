service "web" {}

route "all" {
  service = "web"
}
