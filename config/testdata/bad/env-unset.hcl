consul {
  address    = env("ROTA_TEST_UNSET")
  datacenter = "dc-${env("ROTA_TEST_UNSET_TOO")}"
}

service "web" {}
