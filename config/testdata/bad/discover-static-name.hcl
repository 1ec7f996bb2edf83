service "web" {
  discover "static" {
    name = "web"
    tags = ["v2"]
    urls = ["http://localhost:8081"]
  }
}
