package main

import "github.com/hashicorp/go-hclog"

// fewDescriptors is a limit that a busy day may well reach: a request takes two.
const fewDescriptors = 4096

const moreDescriptors = "raise the limit of open files (ulimit -n, or LimitNOFILE in systemd)"

// tellLimits tells of limits that are low. Up to the hard one of descriptors
// every Go program raises its own at the start.
func tellLimits(descriptors int, logger hclog.Logger) {
	if descriptors > 0 && descriptors < fewDescriptors {
		logger.Warn("few connections fit into the limit of descriptors; "+moreDescriptors, "descriptors", descriptors)
	}
}
