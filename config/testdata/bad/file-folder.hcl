consul {
  datacenter = file("..")
}

service "web" {}
