service "web" {}
service "api" {}
