upstream "web" {
  server = "localhost:8081"
}
