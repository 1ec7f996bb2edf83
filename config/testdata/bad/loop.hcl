# A backend that is rota itself would get each request again and again.
listen "http" {}

listen "private" {
  address = "127.0.0.2:8090"
}

service "web" {
  discover "static" {
    urls = [
      "http://localhost:8080",
      "http://localhost:8081",
      "http://127.0.0.1:8090",
      "http://[::1]:9080",
      "http://127.0.0.2:8090",
      "http://web.example.com:8080",
      "http://127.0.0.1:9080",
    ]
  }
}
