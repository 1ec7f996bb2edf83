# What belongs in a service, or in a listener, outside of it.
discover "static" {
  urls = ["http://localhost:8081"]
}

balance = "random"

health_check {
  path = "/health"
}

timeouts {
  connect = "1s"
}

trusted_proxies = ["10.0.0.0/8"]
