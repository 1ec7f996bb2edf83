service "web" {
  discover "static" {
    urls = [
      "localhost:8081",
      "https://localhost:8082",
      "htp://localhost:8083",
      "http://localhost:8084/app",
      "http://localhost:8085?debug",
      "http://user:secret@localhost:8086",
      "http://localhost:99999",
      "http://",
      "http://local host:8087",
      "http://localhost:8088",
      "http://LOCALHOST:8088/",
    ]
  }
}
