service "web" {
  discover "static" {
    urls = ["http://localhost:8081" "http://localhost:8082"]
  }
}
