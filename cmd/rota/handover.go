package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/pool"
)

// handoverVariable has the number of a descriptor in the environment of a process
// that is to take over from another one. It is that of a connection to that one;
// those of the listening sockets follow it.
const handoverVariable = "ROTA_HANDOVER"

// ready is what a process says to the one before it when it has taken over.
const ready = "ready\n"

// will is what a process leaves to the next one.
type will struct {
	// Listeners are what the sockets were taken for, in the order of their
	// descriptors.
	Listeners []listenAddress `json:"listeners"`
	// Services has the legacy of each service, by its name. The other process may be
	// of another version, and what it can't make sense of must not keep it from
	// serving.
	Services map[string]json.RawMessage `json:"services"`
}

// legacy is what is known of a service. A field that gets another meaning must get
// another name.
type legacy struct {
	LooksFor  string                  `json:"looks_for"`
	Told      *told                   `json:"told"`
	Endpoints map[string]pool.Learned `json:"endpoints"` // by ID
}

func newLegacy(d config.Discover, v *service) legacy {
	l := legacy{LooksFor: looksFor(d), Endpoints: v.pool.Learned()}
	if t := v.feed.memory.told.Load(); t != nil {
		age, known := v.pool.View().Age(time.Now())
		if !known {
			age = t.Age
		}
		l.Told = &told{t.Instances, t.Elsewhere, t.Origin, age}
	}
	return l
}

// legacy returns what is known of the instances that a service looks for which this
// process has not had yet: by the process before, or else by another service.
func (p *program) legacy(s *config.Service, now *stage) legacy {
	wanted := looksFor(s.Discover)
	if l := p.heritage.legacy(s.Name, wanted); l.LooksFor == wanted {
		return l
	}
	for i, v := range now.services {
		if d := now.config.Services[i].Discover; looksFor(d) == wanted {
			return newLegacy(d, v)
		}
	}
	return legacy{}
}

// memory returns what discovery has told.
func (l *legacy) memory() *memory {
	m := new(memory)
	m.told.Store(l.Told)
	return m
}

// listenAddress is one of the configuration.
type listenAddress struct {
	Block   string `json:"block"` // that it stands in
	Address string `json:"address"`
}

// matches reports whether a socket that was taken for one address serves another.
// Any free port is another one for each block.
func (a listenAddress) matches(b listenAddress) bool {
	_, port, _ := net.SplitHostPort(b.Address)
	return a.Address == b.Address && (port != "0" || a.Block == b.Block)
}

// send sends the will.
func (w will) send(to io.Writer) error { return json.NewEncoder(to).Encode(w) }

// heritage is what a process has from the one before it. A nil one is that of a
// process that was just started.
type heritage struct {
	will
	conn      net.Conn          // to the other
	listeners []net.Listener    // as in the will; nil once they are taken
	known     map[string]legacy // of services, by name; until release
}

// inherit returns what there is from another process, nil if there was none.
func inherit() (*heritage, error) {
	value := os.Getenv(handoverVariable)
	if value == "" {
		return nil, nil
	}
	_ = os.Unsetenv(handoverVariable) // it is not for our own heir
	fd, err := strconv.Atoi(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", handoverVariable, err)
	}
	h := new(heritage)
	file := os.NewFile(uintptr(fd), "handover")
	h.conn, err = net.FileConn(file)
	file.Close()
	if err != nil {
		return nil, fmt.Errorf("taking over: %w", err)
	}
	if err := json.NewDecoder(h.conn).Decode(&h.will); err != nil {
		return nil, fmt.Errorf("taking over: %w", err)
	}
	for i, a := range h.Listeners {
		file := os.NewFile(uintptr(fd+1+i), a.Address)
		l, err := net.FileListener(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("taking over %s of %s: %w", a.Address, a.Block, err)
		}
		h.listeners = append(h.listeners, l)
	}
	return h, nil
}

// take returns the socket for an address, nil where there is none.
func (h *heritage) take(a listenAddress) net.Listener {
	if h == nil {
		return nil
	}
	for i, l := range h.listeners {
		if l != nil && h.Listeners[i].matches(a) {
			h.listeners[i] = nil
			return l
		}
	}
	return nil
}

// legacy returns what is known of the instances that a service looks for: under its
// name, or else under any.
func (h *heritage) legacy(name, wanted string) legacy {
	if h == nil {
		return legacy{}
	}
	if l := h.known[name]; l.LooksFor == wanted {
		return l
	}
	for _, l := range h.known {
		if l.LooksFor == wanted {
			return l
		}
	}
	return legacy{}
}

// read reads what there is of each service.
func (h *heritage) read(logger hclog.Logger) {
	if h == nil {
		return
	}
	h.known = make(map[string]legacy, len(h.Services))
	for name, text := range h.Services {
		var l legacy
		if err := json.Unmarshal(text, &l); err != nil {
			logger.Warn("what the process before knew of a service can't be read: it begins anew", "service", name, "error", err)
			continue
		}
		h.known[name] = l
	}
	h.Services = nil
}

// release gives up what nobody has taken.
func (h *heritage) release() {
	if h == nil {
		return
	}
	for _, l := range slices.DeleteFunc(h.listeners, func(l net.Listener) bool { return l == nil }) {
		l.Close()
	}
	h.listeners, h.known = nil, nil
}

// patience returns a context for as long as a start may wait for the instances of
// services before it serves. With another process that serves meanwhile, there is
// no hurry.
func (p *program) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.heritage == nil {
		return context.WithTimeout(ctx, startGrace)
	}
	conn := p.heritage.conn
	context.AfterFunc(ctx, func() { conn.Close() })
	ctx, cancel := context.WithCancel(ctx)
	p.background.Go(func() {
		_, _ = io.Copy(io.Discard, conn) // it says no more, but it may end
		cancel()
	})
	return ctx, cancel
}

// tellReady tells the other process that this one serves.
func (h *heritage) tellReady() {
	if h != nil {
		_, _ = io.WriteString(h.conn, ready) // it may have ended
		h.conn.Close()
	}
}
