servce "web" {}

route {
  service = "web"
}
