listen "https" {
  address = ":8443"
  tls {
    certificate = "cert.pem"
  }
}

service "web" {
  retry {
    attempts = 3
  }
  outlier {}
  circuit_breaker {}
  slow_start {}
  rate_limit {}
  locality {}
}
