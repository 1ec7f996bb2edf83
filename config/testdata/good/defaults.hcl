# An empty block is the same as none, but for access_log.
listen "http" {}
admin {}
log {}
access_log {}
consul {}

service "web" {
  discover "consul" {}
  health_check {}
  timeouts {}
}

route {
  service = "web"
}
