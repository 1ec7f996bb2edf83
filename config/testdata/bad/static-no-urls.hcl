service "web" {
  discover "static" {}
}
