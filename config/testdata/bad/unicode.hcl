service "web" {
  discover "consul" { name = "grüße", tag = "v2" }
}
