package main

import (
	"net"
	"os"
)

// notify tells systemd, where that has asked for it (sd_notify(3)).
func (p *program) notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(state))
		conn.Close()
	}
	if err != nil {
		p.logger.Warn("systemd could not be told", "state", state, "error", err)
	}
}
