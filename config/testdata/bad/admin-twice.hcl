admin {
  address = ":9080"
}

admin {
  address = ":9081"
}

service "web" {}
