state_dir        = "state"
shutdown_timeout = "0s"

listen "http" {
  address       = "0.0.0.0:80"
  read_timeout  = "1s"
  write_timeout = "2s"
  idle_timeout  = "1m30s"
  health_path   = ""

  trusted_proxies = ["10.1.2.3/8", "192.0.2.7", "::1", "2001:DB8::/32", "::ffff:172.16.0.0/108"]
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
  balance       = "least_request"
  drain_timeout = "1m"
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
    request  = "2h"
  }
  retry {
    attempts        = 3
    on              = ["connect", "503", "429"]
    budget          = 50
    min_per_second  = 0
    per_try_timeout = "200ms"
    backoff         = "10ms"
  }
  hedge {
    attempts      = 0
    min_delay     = "1ms"
    unknown_delay = "1s"
  }
  circuit_breaker {
    max_requests             = 1000
    max_pending              = 100
    endpoint_max_requests    = 200
    endpoint_max_connections = 50
    failure_rate             = 50
    min_requests             = 10
    window                   = "1m"
    open_for                 = "1s"
  }
  panic_below = 30

  locality {
    prefer = "zone"
    meta   = "rack"
    zone   = "r1"
    node   = "n1"
    failover = ["dc2", "dc3"]
  }

  slow_start {
    duration   = "30s"
    min_weight = 5
  }

  outlier {
    consecutive             = 0
    interval                = "1s"
    min_hosts               = 5
    min_requests            = 50
    success_rate_deviations = 2.5
    latency_factor          = 10
    latency_floor           = "0s"
    base_ejection           = "1s"
    max_ejection            = "1s"
    max_ejected             = 100
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
