shutdown_timeout = "30"

listen "http" {
  read_timeout  = "15 seconds"
  write_timeout = "-15s"
  idle_timeout  = "0s"
}

service "web" {}
