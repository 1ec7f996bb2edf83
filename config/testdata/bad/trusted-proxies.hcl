listen "a" {
  trusted_proxies = [
    "10.0.0.0/8",
    "proxy.example.com",
    "10.0.0.0/33",
    "10.0.0.0/255.0.0.0",
    "2001:db8::/129",
    "10.0.0.1:8080",
    "[::1]",
    "fe80::1%eth0",
    "10.0.*",
    "",
    "10.0.0.1, 10.0.0.2",
    10,
  ]
}

listen "b" {
  address         = ":8081"
  trusted_proxies = "10.0.0.0/8"
}

listen "c" {
  address         = ":8082"
  trusted_proxy   = ["10.0.0.0/8"]
}

service "web" {}
