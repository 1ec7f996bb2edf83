admin = {
  address = ":9080"
}

service "web" {}
