service "web" {
  discover "consul" {}
  discover "static" {
    urls = ["http://localhost:8081"]
  }
}
