# What belongs in a service, outside of it.
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
