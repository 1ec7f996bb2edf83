package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// retry is the pause between two tries while Consul can't be reached.
	retry = 250 * time.Millisecond
	// respite is how long we stay away when somebody has taken us out of a
	// Consul that is well: long enough to see what it did.
	respite = 5 * time.Second
	// watch is the longest that one question to Consul stays open.
	watch = 30 * time.Second
	// answer is the longest that Consul may take for anything else.
	answer = 2 * time.Second
)

// member is one instance's membership of a service in Consul.
type member struct {
	agent   *api.Agent
	id      string
	service string
	host    func() (string, error)
	port    int
	log     *slog.Logger
}

// keep holds the membership up until ctx ends.
func (m *member) keep(ctx context.Context) {
	told := false // of the present trouble
	for {
		err := m.register(ctx)
		if err == nil {
			told = false
			err = m.untilLost(ctx)
		}
		wait := retry
		switch {
		case ctx.Err() != nil:
			return
		case isUnknown(err):
			wait = respite
			m.log.Warn("taken out of Consul", "back_in", wait)
		case !told:
			told = true
			m.log.Warn("no word with Consul, trying on", "error", err)
		}
		pause(ctx, wait)
	}
}

// untilLost watches our entry and returns why that ended: the entry is gone,
// or so is the agent, which may know nothing of us when it is back.
func (m *member) untilLost(ctx context.Context) error {
	for seen := ""; ; {
		ctx, cancel := context.WithTimeout(ctx, watch+watch/16+answer)
		q := &api.QueryOptions{WaitHash: seen, WaitTime: watch}
		_, meta, err := m.agent.Service(m.id, q.WithContext(ctx))
		cancel()
		if err != nil {
			return err
		}
		seen = meta.LastContentHash
	}
}

func isUnknown(err error) bool {
	var status api.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

func (m *member) register(ctx context.Context) error {
	host, err := m.host()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	address := net.JoinHostPort(host, strconv.Itoa(m.port))
	entry := &api.AgentServiceRegistration{
		ID:      m.id,
		Name:    m.service,
		Address: host,
		Port:    m.port,
		Check: &api.AgentServiceCheck{
			HTTP:     "http://" + address + "/health",
			Interval: "2s",
			Timeout:  "1s",
			// We listen already: no need to wait for the first check.
			Status:                         api.HealthPassing,
			DeregisterCriticalServiceAfter: "1m",
		},
	}
	if err := m.agent.ServiceRegisterOpts(entry, api.ServiceRegisterOpts{}.WithContext(ctx)); err != nil {
		return err
	}
	m.log.Info("registered", "service", m.service, "id", m.id, "address", address)
	return nil
}

// leave takes the entry out of Consul. Where Consul can't be reached, nothing
// is to be done: its check fails soon, and a minute later it forgets us.
func (m *member) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	q := (&api.QueryOptions{}).WithContext(ctx)
	if err := m.agent.ServiceDeregisterOpts(m.id, q); err != nil && !isUnknown(err) {
		m.log.Warn("could not leave Consul", "error", err)
		return
	}
	m.log.Info("deregistered", "service", m.service, "id", m.id)
}

// hostTowards finds our address on the way to Consul by asking the kernel how
// it would route there; nothing is sent.
func hostTowards(consul string) (string, error) {
	if !strings.Contains(consul, "://") {
		consul = "http://" + consul
	}
	u, err := url.Parse(consul)
	if err != nil {
		return "", err
	}
	if u.Hostname() == "" {
		return "", fmt.Errorf("%s shows no way to us: set -advertise", consul)
	}
	conn, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), "8500"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}
