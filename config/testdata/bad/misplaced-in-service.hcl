# What belongs in the blocks of a service, beside them.
service "web" {
  name     = "web"
  tags     = ["v2"]
  urls     = ["http://localhost:8081"]
  path     = "/health"
  interval = "1s"
  timeout  = "1s"
  connect  = "1s"
}
