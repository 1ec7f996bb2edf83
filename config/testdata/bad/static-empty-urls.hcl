service "web" {
  discover "static" {
    urls = []
  }
}
