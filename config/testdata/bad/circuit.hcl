service "web" {
  circuit_breaker {
    max_requests = -1
    failure_rate = 101
    min_requests = 0
    window       = "0s"
    max_request  = 1
  }
  failure_rate = 50
}
