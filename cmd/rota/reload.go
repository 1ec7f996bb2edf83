package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rota-lb/rota/config"
)

// reloaded is what came of an order to reload.
type reloaded struct {
	report string
	err    error
}

// reload takes the configuration anew, whole or not at all, and returns what is
// different now, a line each.
func (p *program) reload(ctx context.Context) (report string, err error) {
	now := p.stage.Load()
	c, err := config.Load(p.file)
	var next *stage
	if err == nil {
		next, err = p.plan(c, now)
	}
	if err != nil {
		p.reopenAccessLog(ctx, now.config.AccessLog)
		p.logger.Error("not reloaded: everything goes on as before", "error", err.Error())
		return "", err
	}
	var changes []string
	for _, change := range config.Diff(now.config, c) {
		changes = append(changes, change.String())
	}
	patience, cancel := context.WithTimeout(ctx, startGrace)
	defer cancel()
	p.enter(ctx, patience, now, next)
	p.logger.Info("reloaded", "changes", changes)
	if len(changes) == 0 {
		return "nothing is different\n", nil
	}
	return strings.Join(changes, "\n") + "\n", nil
}

// reopenAccessLog opens the file of the access log again: whoever has moved it
// away, and then told us, expects another, whatever became of the rest.
func (p *program) reopenAccessLog(ctx context.Context, c *config.AccessLog) {
	out, err := openAccessLog(c)
	if err != nil {
		p.logger.Error("the access log stays with the file that it has", "error", err)
	} else if out != nil {
		p.turnAccessLog(ctx, c, out)
	}
}

var errStopping = errors.New("rota is stopping")

// askReload has the goroutine of run reload, and waits for it.
func (p *program) askReload(ctx context.Context) (report string, err error) {
	answer := make(chan reloaded, 1)
	select {
	case p.reloads <- answer:
		r := <-answer
		return r.report, r.err
	case <-p.deaf:
		return "", errStopping
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// reload is the command.
func reload(address string, stdout, stderr io.Writer) int {
	client := http.Client{Timeout: 15 * time.Second}
	response, err := client.Post(adminURL(address, "/reload"), "", nil)
	if err != nil {
		fmt.Fprintln(stderr, "rota reload:", unanswered(address, err))
		return exitFailed
	}
	defer response.Body.Close()
	out, code := stdout, exitDone
	if response.StatusCode != http.StatusOK {
		out, code = stderr, exitFailed
	}
	if _, err := io.Copy(out, io.LimitReader(response.Body, 1<<20)); err != nil {
		fmt.Fprintln(stderr, "rota reload:", err)
		return exitFailed
	}
	return code
}
