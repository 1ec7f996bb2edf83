listen "https" {
  address = ":8443"
  tls {
    certificate = "cert.pem"
  }
}

service "web" {
  rate_limit {}
}
