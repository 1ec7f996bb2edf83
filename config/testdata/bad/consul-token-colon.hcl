consul {
  token: "d7b9f5a2"
}

service "web" {}
