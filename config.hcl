# The configuration of rota, as it is shipped. Every block may be left out, and
# what is commented out shows the default. docs/configuration.md explains each
# argument; `rota validate --config config.hcl` checks the file.
#
# env("NAME", "default") is the value of an environment variable, and
# file("path") the content of a file.

# Where requests come in.
listen "http" {
  address = ":8080"

  # read_timeout  = "15s"     # for a request's head, and between bytes of its body
  # write_timeout = "15s"     # between bytes that the client takes
  # idle_timeout  = "60s"     # between requests on a connection
  # health_path   = "/health" # answered here; "" leaves the path to the backends
}

# Where operators look: /health, /metrics. Without access control, so not for
# everybody: a container may have to open it, with ROTA_ADMIN_ADDRESS=:9080.
admin {
  address = env("ROTA_ADMIN_ADDRESS", "127.0.0.1:9080")
}

log {
  level  = "info" # trace, debug, info, warn or error
  format = "text" # or json
}

# One line for each request, if there is such a block.
# access_log {
#   format = "json" # or combined
#   path   = ""     # a file; "" is standard output
# }

# The Consul agent. What is left out is taken from the CONSUL_* environment
# variables, such as CONSUL_HTTP_TOKEN.
consul {
  address = env("CONSUL_HTTP_ADDR", "127.0.0.1:8500")

  # token_file = "/etc/rota/consul.token"
  # datacenter = "dc1"
}

# A folder for the last good list of each service, so that rota can start while
# Consul is away.
# state_dir = "/var/lib/rota"

# How long requests in flight may take to finish when rota is stopped.
# shutdown_timeout = "30s"

# The backends: what Consul lists as "web", as far as it answers GET /health.
service "web" {
  discover "consul" {
    name = "web"

    # tags           = ["v2"] # only instances with all of these tags
    # tagged_address = "lan"  # or wan
  }

  # Instead of Consul, a list:
  # discover "static" {
  #   urls = ["http://localhost:8081", "http://localhost:8082"] # or without a port: 80
  # }

  balance = "round_robin" # or least_request, ewma, random

  health_check {
    path            = "/health" # without it, a TCP connect is enough
    interval        = "10s"
    timeout         = "2s"
    healthy_after   = 1 # passes in a row
    unhealthy_after = 2 # failures in a row

    # expect_status = ["200-299"]
    # host          = "web.example.com"
  }

  # timeouts {
  #   connect  = "2s"  # to a backend
  #   response = "15s" # for the head of its response
  #   stall    = "60s" # between bytes
  # }

  # retry {
  #   attempts = 4  # in all
  #   on       = ["connect", "reset", "timeout"] # and statuses, such as "503"
  #   budget   = 20 # percent of the traffic
  # }

  # circuit_breaker {
  #   max_requests          = 0 # under way; 0 sets no limit
  #   endpoint_max_requests = 0
  #   failure_rate          = 0 # in percent, from which nothing passes for a while
  # }

  # A second backend is asked while the first is silent for longer than usual.
  # hedge {
  #   attempts = 1 # 0 turns it off
  # }
}

# Which requests go where. With one service, this route may be left out.
route {
  host        = "" # any; or "www.example.com", "*.example.com"
  path_prefix = "/"
  service     = "web"
}
