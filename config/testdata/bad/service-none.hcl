listen "http" {
  address = ":8080"
}
