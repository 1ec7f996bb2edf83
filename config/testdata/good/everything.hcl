state_dir        = "state"
shutdown_timeout = "0s"

listen "http" {
  address       = "0.0.0.0:80"
  read_timeout  = "1s"
  write_timeout = "2s"
  idle_timeout  = "1m30s"
  health_path   = ""
}

listen "private" {
  address = "[::1]:8080"
}

admin {
  address = ""
}

log {
  level  = "trace"
  format = "json"
}

access_log {
  format = "combined"
  path   = "/var/log/rota/access.log"
}

consul {
  address    = "https://consul.example.com/behind/a/proxy"
  token_file = "token"
  datacenter = "dc1"
}

service "web" {
  balance = "least_request"
  discover "consul" {
    name           = "web-v2"
    tags           = ["blue", "eu"]
    tagged_address = "wan"
  }
  health_check {
    path            = "/health?full=1"
    host            = "web.example.com"
    expect_status   = ["200-299", "304"]
    interval        = "1s"
    timeout         = "1s"
    healthy_after   = 2
    unhealthy_after = 3
  }
  timeouts {
    connect  = "100ms"
    response = "1m"
    stall    = "1h"
  }
}

service "api" {
  balance = "random"
  discover "static" {
    urls = ["http://localhost:8081/", "http://API.example.com", "http://[::1]:8083"]
  }
}

route {
  host    = "WWW.Example.com"
  service = "web"
}

route {
  host        = "*.example.com"
  path_prefix = "/api/"
  service     = "api"
}
