# ROTA_TEST_EMPTY is set, to ""; ROTA_TEST_UNSET is not set.
state_dir = null

listen "http" {
  address = "127.0.0.1:${env("ROTA_TEST_PORT")}"
}

admin {
  address = env("ROTA_TEST_EMPTY", "127.0.0.1:9080")
}

consul {
  address    = env("ROTA_TEST_UNSET", "127.0.0.1:8500")
  datacenter = file("functions.txt")
}

service "web" {
  discover "consul" {
    tags = [for tag in ["blue", "green"] : "${tag}-1"]
  }
  health_check {
    unhealthy_after = env("ROTA_TEST_UNSET", "5")
  }
}
