service "web" {
  discover "consol" {}
}

service "api" {
  discover "dns" {
    name = "api.example.com"
  }
}

service "db" {
  discover {
    name = "db"
  }
}
