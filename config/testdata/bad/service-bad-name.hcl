service "web shop" {}
service "" {}
