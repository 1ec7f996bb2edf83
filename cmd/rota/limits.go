package main

import "github.com/hashicorp/go-hclog"

// fewDescriptors is a limit that a busy day may well reach: a request takes two.
const fewDescriptors = 4096

const moreDescriptors = "raise the limit of open files (ulimit -n, or LimitNOFILE in systemd)"

// tellLimits tells of limits that are low, and of what is denied. Up to the hard
// limit of descriptors every Go program raises its own at the start.
func tellLimits(descriptors int, gathers bool, logger hclog.Logger) {
	if !gathers {
		logger.Info("there is no io_uring for this process, as in most containers: a short request takes a quarter more of the CPU")
	}
	if descriptors > 0 && descriptors < fewDescriptors {
		logger.Warn("few connections fit into the limit of descriptors; "+moreDescriptors, "descriptors", descriptors)
	}
}
