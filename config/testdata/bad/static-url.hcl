service "web" {
  discover "static" {
    url = "http://localhost:8081"
  }
}
