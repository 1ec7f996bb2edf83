log {
  level  = "warning"
  format = "logfmt"
}

access_log {
  format = "JSON"
}

service "web" {
  balance = "round-robin"
  discover "consul" {
    tagged_address = "public"
  }
}
