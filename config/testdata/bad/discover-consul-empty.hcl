service "web" {
  discover "consul" {
    name = ""
    tags = ["v2", ""]
  }
}
