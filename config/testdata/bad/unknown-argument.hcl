# The port was moved from 80 to 8080.

listen "http" {
  adress = ":8080"
}

service "web" {}
