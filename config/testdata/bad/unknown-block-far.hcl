cluster "web" {
  server = "localhost:8081"
}
