consul {
  datacenter = file("datacenter.txt")
}

service "web" {}
