service "web" {}

route {
  host    = "http://example.com"
  service = "web"
}

route {
  host    = "example.com:8080"
  service = "web"
}

route {
  host    = "www.*.com"
  service = "web"
}

route {
  host    = "*"
  service = "web"
}

route {
  host    = "bücher.example.com"
  service = "web"
}

route {
  host    = "example..com"
  service = "web"
}
