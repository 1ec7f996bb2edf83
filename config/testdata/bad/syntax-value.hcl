listen "http" {
  address =
}
