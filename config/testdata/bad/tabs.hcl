service "web" {
	health_check {
		pth = "/health"
	}
}
