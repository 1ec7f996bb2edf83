package socket

import (
	"testing"
	"time"
)

// What a tick costs while 100,000 connections are parked and 100 are not.
func BenchmarkSweep(b *testing.B) {
	c := NewClock()
	for i := range 100_100 {
		conn := newConn(c, stall)
		conn.owner = new(member)
		conn.LimitRead(time.Minute + time.Duration(i)*time.Millisecond)
		if i < 100_000 {
			conn.reads.state.Store(left)
			c.doze(conn)
		} else {
			c.add(conn)
		}
	}
	var memory []*Conn
	now := time.Duration(0)
	for b.Loop() {
		now += Tick
		memory = c.sweep(now, memory)
		if now > 50*time.Second { // before the first limit is over
			now = 0
			c.now.Store(0)
			c.spent.Store(1)
		}
	}
}
