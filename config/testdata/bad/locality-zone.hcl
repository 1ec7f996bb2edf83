service "web" {
  locality {
    prefer = "zone"
  }
}
