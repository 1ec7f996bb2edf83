# rota with its defaults, where they are the same as what the others were told.

listen "http" {
  address = "{{.Address}}"
}

admin {
  address = "{{if .Full}}{{.Admin}}{{end}}" # counting goes on without it, too
}

{{if .Full -}}
access_log {
  format = "combined" # what all write
  path   = "{{.Dir}}/access.log"
}

{{end -}}
service "backends" {
  discover "static" {
    urls = [{{range .Backends}}"http://{{.}}", {{end}}]
  }

  # Checks can't be turned off.
  health_check {
    {{if .Full}}path     = "/health"
    {{end}}interval = "{{if .Full}}2s{{else}}1m{{end}}"
  }

  # timeouts: 2 s to connect and 60 s between bytes are the defaults. All are
  # granted 60 s for the head of a response.
  timeouts {
    response = "60s"
  }
}
