# Every problem is told, in the order of the file.
listen "http" {
  adress       = ":8080"
  idle_timeout = 60
}

service "web" {
  balance = "fastest"
}

route {
  service = "wbe"
}
