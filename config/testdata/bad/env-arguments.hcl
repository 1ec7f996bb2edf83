consul {
  address    = env("A", "b", "c")
  datacenter = env()
}

service "web" {}
