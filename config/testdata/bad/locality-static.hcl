service "web" {
  discover "static" {
    urls = ["http://10.0.0.1:80"]
  }
  locality {
    failover = ["dc2"]
  }
}
