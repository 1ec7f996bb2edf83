log {
  level = debug
}

service "web" {
  discover "consul" {
    tags = [blue, green]
  }
}

route {
  host    = www.example.com
  service = "web"
}
