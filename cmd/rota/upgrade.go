package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// heir is a process that is to take over from this one.
type heir struct {
	cmd  *exec.Cmd
	conn net.Conn
}

// upgrade starts the program anew, from whatever file it is in now, and hands the
// listening sockets over to it. It returns that process once that serves, and nil
// where it does not get that far: then it has ended, and this one goes on as before.
func (p *program) upgrade(ctx context.Context) *os.Process {
	if os.Getpid() == 1 {
		p.logger.Error("no upgrade: this is process 1, with which its container would end; replace the container")
		return nil
	}
	h, err := p.startHeir()
	if err != nil {
		p.logger.Error("no upgrade: everything goes on as before", "error", err)
		return nil
	}
	defer h.conn.Close()
	defer p.refuseReloads()()
	pid := h.cmd.Process.Pid
	limit := p.stage.Load().config.UpgradeTimeout
	p.logger.Info("upgrade: another process was started", "pid", pid)
	if err := h.await(ctx, p.will(), limit); err != nil {
		_ = h.cmd.Process.Kill() // it may have ended
		if ended := h.cmd.Wait(); h.cmd.ProcessState.Exited() {
			err = ended
		}
		p.logger.Error("no upgrade: the other process did not get ready, and everything goes on as before",
			"pid", pid, "error", err)
		return nil
	}
	p.logger.Info("upgrade: the other process has taken over", "pid", pid)
	p.notify(fmt.Sprintf("MAINPID=%d", pid))
	return h.cmd.Process
}

// refuseReloads answers orders that come by admin, while nobody can carry them
// out, until end is called. Signals wait instead: who sends them hears nothing.
func (p *program) refuseReloads() (end func()) {
	over := make(chan struct{})
	var refusing sync.WaitGroup
	refusing.Go(func() {
		for {
			select {
			case answer := <-p.reloads:
				answer <- reloaded{err: errUpgrading}
			case <-over:
				return
			}
		}
	})
	return func() {
		close(over)
		refusing.Wait()
	}
}

// passOn gives the orders to the heir that came when it was under way, or come to
// this process though it goes: the heir may have read the file before it was changed.
func passOn(ctx context.Context, orders <-chan os.Signal, heir *os.Process) {
	for {
		select {
		case order := <-orders:
			_ = heir.Signal(order) // it may have ended
		case <-ctx.Done():
			return
		}
	}
}

// sockets returns what is listened on, and what it was taken for.
func (s *stage) sockets() (sockets []net.Listener, names []listenAddress) {
	for _, l := range s.listeners {
		sockets = append(sockets, l.server.Listener())
		names = append(names, listenAddress{fmt.Sprintf("listen %q", l.options.Name), l.options.Address})
	}
	if s.admin != nil {
		sockets = append(sockets, s.admin.Listener())
		names = append(names, listenAddress{"admin", s.config.Admin.Address})
	}
	return sockets, names
}

// will returns what another process should know.
func (p *program) will() will {
	s := p.stage.Load()
	_, names := s.sockets()
	w := will{Listeners: names, Services: map[string]json.RawMessage{}}
	for i, v := range s.services {
		text, err := json.Marshal(newLegacy(s.config.Services[i].Discover, v))
		if err != nil { // strings and numbers always marshal
			panic(err)
		}
		w.Services[v.options.Name] = text
	}
	return w
}

var (
	errEnded = errors.New("it ended")
	errLate  = errors.New("it was not ready within upgrade_timeout")

	errUpgrading = errors.New("an upgrade is under way: reload when it is over")
)

// await gives the heir what it needs to know, and waits until it serves.
func (h *heir) await(ctx context.Context, w will, limit time.Duration) error {
	if err := h.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { h.conn.Close() })
	defer stop()
	if err := w.send(h.conn); err != nil {
		return err
	}
	line, err := bufio.NewReader(h.conn).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return errStopping
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errLate
	case line != ready:
		return errEnded
	}
	return nil
}
