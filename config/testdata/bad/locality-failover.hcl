service "web" {
  locality {
    failover = ["dc2", "dc2", ""]
  }
}
