# Variables of the environment, as other programs write them.
state_dir = "$STATE_HOME/rota"

listen "a" {
  address = "${LISTEN_ADDR}"
}

listen "b" {
  address = env.LISTEN_ADDR
}

listen "c" {
  address = var.listen_address
}

listen "d" {
  address = "$LISTEN_ADDR"
}

listen "e" {
  address = LISTEN_ADDR
}

listen "f" {
  address = "${address}"
}

listen "g" {
  address = env["LISTEN_ADDR"]
}

service "web" {
  discover "static" {
    urls = ["http://$HOST:8081"]
  }
}

# Here the dollar is meant.
route {
  path_prefix = "/v1/$METADATA"
  service     = "web"
}
