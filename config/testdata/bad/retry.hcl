service "web" {
  retry {
    attempts       = 0
    on             = ["conect", "200", "everything"]
    budget         = 101
    min_per_second = -1
    backoff        = "0s"
  }
}

service "api" {
  attempts = 3
  retry {
    on = []
  }
  hedge {
    attempts  = 2
    min_delay = "0s"
  }
}

route { service = "web" }

route {
  path_prefix = "/api"
  service     = "api"
}
