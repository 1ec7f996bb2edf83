service "web" {
  discover "consul" {
    urls = ["http://localhost:8081"]
  }
}
