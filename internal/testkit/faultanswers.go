package testkit

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/consul/api"
)

// Answer is one answer of a [FaultConsul]. The functions of this file make the
// usual ones.
type Answer struct {
	Serve   http.HandlerFunc
	forever bool
}

// Forever returns an answer that is given again and again.
func (a Answer) Forever() Answer {
	a.forever = true
	return a
}

// Entry returns a passing instance, of weight 1, on the node "node" in "dc1",
// to be changed at will.
func Entry(service, id, host string, port int) *api.ServiceEntry {
	return &api.ServiceEntry{
		Node: &api.Node{Node: "node", Address: "127.0.0.1", Datacenter: "dc1"},
		Service: &api.AgentService{
			ID: id, Service: service, Address: host, Port: port,
			Weights: api.AgentWeights{Passing: 1, Warning: 1},
		},
		Checks: api.HealthChecks{{CheckID: "serfHealth", Status: api.HealthPassing}},
	}
}

// Instances is what Consul answers when all is well: a list with its index,
// which may also go backwards, stand still or be 0.
func Instances(index uint64, entries ...*api.ServiceEntry) Answer {
	return Body(index, list(entries))
}

// NoLeader is the same from a server that has lost its leader.
func NoLeader(index uint64, entries ...*api.ServiceEntry) Answer {
	return withHeader("X-Consul-KnownLeader", "false", Instances(index, entries...))
}

// Filtered is the same of which access control has kept something back.
func Filtered(index uint64, entries ...*api.ServiceEntry) Answer {
	return withHeader("X-Consul-Results-Filtered-By-ACLs", "true", Instances(index, entries...))
}

// Streamed is the same from an agent that answers from its event stream, as
// agents do by default for queries that block. It does not tell whether there is
// a leader, nor whether access control has kept something back.
func Streamed(index uint64, entries ...*api.ServiceEntry) Answer {
	return withHeader("X-Consul-Query-Backend", "streaming", NoLeader(index, entries...))
}

// HotIndex is the same list each time, under an index that rises by one each
// time. It is meant to be given [Answer.Forever].
func HotIndex(from uint64, entries ...*api.ServiceEntry) Answer {
	var given atomic.Uint64
	return Answer{Serve: func(w http.ResponseWriter, r *http.Request) {
		Instances(from+given.Add(1)-1, entries...).Serve(w, r)
	}}
}

// Status is an answer that is an error, with a text.
func Status(code int, text string) Answer {
	return Answer{Serve: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }}
}

// Body is a 200 with any body.
func Body(index uint64, body string) Answer {
	return Answer{Serve: func(w http.ResponseWriter, _ *http.Request) {
		setHeaders(w, index)
		_, _ = io.WriteString(w, body) // the client may be gone
	}}
}

// Giant is a valid list of about so many bytes: one instance with a long meta
// value.
func Giant(index uint64, size int, entry *api.ServiceEntry) Answer {
	return Answer{Serve: func(w http.ResponseWriter, r *http.Request) {
		e, service := *entry, *entry.Service
		service.Meta = map[string]string{"giant": strings.Repeat("x", size)}
		e.Service = &service
		Instances(index, &e).Serve(w, r)
	}}
}

// Endless is a list that never ends, sent as fast as the client takes it.
func Endless(index uint64) Answer {
	return Answer{Serve: func(w http.ResponseWriter, _ *http.Request) {
		setHeaders(w, index)
		_, err := io.WriteString(w, `["`)
		for chunk := strings.Repeat("x", 1<<16); err == nil; {
			_, err = io.WriteString(w, chunk)
		}
	}}
}

// Truncated is a list of which half is sent before the connection breaks.
func Truncated(index uint64, entries ...*api.ServiceEntry) Answer {
	return Answer{Serve: func(w http.ResponseWriter, _ *http.Request) {
		text := list(entries)
		setHeaders(w, index)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = io.WriteString(w, text[:len(text)/2])
		_ = http.NewResponseController(w).Flush() // the break follows anyway
		panic(http.ErrAbortHandler)
	}}
}

// Hang says nothing until the client gives up.
func Hang() Answer {
	return Answer{Serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
}

// Reset closes the connection without a word.
func Reset() Answer {
	return Answer{Serve: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}
}

func withHeader(name, value string, a Answer) Answer {
	serve := a.Serve
	a.Serve = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		serve(w, r)
	}
	return a
}

// setHeaders sets what Consul sends with a list, unless it is set already.
func setHeaders(w http.ResponseWriter, index uint64) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Consul-Index", strconv.FormatUint(index, 10))
	h.Set("X-Consul-LastContact", "0")
	if h.Get("X-Consul-KnownLeader") == "" {
		h.Set("X-Consul-KnownLeader", "true")
	}
}

// list returns a list in Consul's form, empty and not null if there are none.
func list(entries []*api.ServiceEntry) string {
	text, err := json.Marshal(append([]*api.ServiceEntry{}, entries...))
	if err != nil {
		panic(fmt.Sprintf("instances that are no JSON: %v", err))
	}
	return string(text)
}
