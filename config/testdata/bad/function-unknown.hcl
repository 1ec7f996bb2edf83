consul {
  address    = getenv("CONSUL_HTTP_ADDR")
  datacenter = upper("dc1")
}

service "web" {}
