package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// startLimit is how long a program may take to answer its first request.
const startLimit = 10 * time.Second

// files is how many descriptors a program may open: a client and a backend for
// each connection of the largest scenario, and then some.
const files = 10000

// stage is what all programs under test share: the backends behind them and a
// folder.
type stage struct {
	dir, bin string
	client   *http.Client
	backends []*instance
	folders  int
}

// instance is a running program in one variant.
type instance struct {
	setup
	program program
	variant variant
	process *process
	pids    []int // the process and all that it has started
}

// newStage makes a folder and starts two backends. Whoever has a stage closes
// it.
func newStage(ctx context.Context, bin string) (*stage, error) {
	dir, err := os.MkdirTemp("", "rota-bench-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, bin: bin, client: &http.Client{
		Transport: &http.Transport{DisableCompression: true}, Timeout: jobLimit,
	}}
	for range 2 {
		i, err := s.launch(ctx, backend, variant{name: "backend"})
		if err != nil {
			s.close()
			return nil, err
		}
		s.backends = append(s.backends, i)
	}
	return s, nil
}

// close ends the backends and removes the folder. The instances that were
// launched have been stopped by then.
func (s *stage) close() error {
	for _, b := range s.backends {
		b.process.stop()
	}
	s.client.CloseIdleConnections()
	return os.RemoveAll(s.dir)
}

// launch starts a program and returns when it answers. Somebody else may take
// its ports before it does: then it gets others.
func (s *stage) launch(ctx context.Context, p program, v variant) (*instance, error) {
	var errs error
	for range 3 {
		i, err := s.tryLaunch(ctx, p, v)
		if err == nil {
			return i, nil
		}
		errs = errors.Join(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errs
}

func (s *stage) tryLaunch(ctx context.Context, p program, v variant) (*instance, error) {
	i, err := s.newInstance(p, v)
	if err != nil {
		return nil, err
	}
	if i.process, err = p.launch(s.bin, i.setup); err != nil {
		return nil, err
	}
	err = i.process.await(ctx, startLimit, func() error {
		_, err := fetch(ctx, s.client, i.Address, scenarios[0])
		return err
	})
	if err == nil {
		i.pids, err = tree(os.DirFS("/proc"), i.process.pid())
	}
	if err != nil {
		i.process.stop()
		return nil, err
	}
	return i, nil
}

func (s *stage) newInstance(p program, v variant) (*instance, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	s.folders++
	i := &instance{program: p, variant: v, setup: setup{
		Dir:     filepath.Join(s.dir, fmt.Sprintf("%s-%s-%d", p.name, v.name, s.folders)),
		Address: addresses[0], Admin: addresses[1], Full: v.full,
		Workers: runtime.NumCPU(), Files: files, Root: os.Geteuid() == 0,
	}}
	for _, b := range s.backends {
		i.Backends = append(i.Backends, b.Address)
	}
	if err := os.Mkdir(i.Dir, 0o700); err != nil {
		return nil, err
	}
	return i, i.writeBodies()
}

// label names an instance where people read it.
func (i *instance) label() string { return i.program.name + ", " + i.variant.title }
