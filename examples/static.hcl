# Two backends that are always the same, without Consul: requests to port 8080
# go to each of them in turn, as long as it is healthy. To try it, start two:
#
#   bin/backend -listen 127.0.0.1:8081 &
#   bin/backend -listen 127.0.0.1:8082 &

listen "http" {
  address       = ":8080"
  read_timeout  = "15s"
  write_timeout = "15s"
  idle_timeout  = "60s"
}

service "backends" {
  discover "static" {
    urls = [
      "http://localhost:8081",
      "http://localhost:8082",
    ]
  }

  balance = "round_robin"

  health_check {
    interval = "10s"
    # path = "/health" # without it, a TCP connect is enough
  }
}
