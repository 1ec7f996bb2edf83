service "a" {
  outlier {
    consecutive             = -1
    min_hosts               = 1
    success_rate_deviations = -0.5
    latency_factor          = 1001
    latency_floor           = "fast"
    max_ejected             = 101
  }
}

service "b" {
  outlier {
    base_ejection = "1m"
    max_ejection  = "30s"
  }
}

service "c" {
  outlier {
    base_ejection = "10m"
  }
  max_ejected = 10
}

route {
  path_prefix = "/a"
  service     = "a"
}

route {
  path_prefix = "/b"
  service     = "b"
}

route { service = "c" }
