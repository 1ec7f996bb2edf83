package main

import (
	"io"
	"log"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/config"
)

// logs is the log of what rota does. Its level and its format can be changed
// while others write to it, and to loggers made of it.
type logs struct {
	hclog.InterceptLogger
	out  io.Writer
	form config.Log
	sink hclog.SinkAdapter
}

func newLogs(c config.Log, out io.Writer) *logs {
	// It writes nothing itself: what it is told goes to the sink.
	l := &logs{out: out, InterceptLogger: hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: "rota", Level: hclog.Off, Output: io.Discard,
	})}
	l.set(c)
	return l
}

// set changes the level and the format. It is not to be called concurrently.
func (l *logs) set(c config.Log) {
	if l.sink != nil && c == l.form {
		return
	}
	before := l.sink
	l.form, l.sink = c, hclog.NewSinkAdapter(&hclog.LoggerOptions{
		Level: hclog.LevelFromString(c.Level), JSONFormat: c.Format == "json", Output: l.out,
	})
	l.RegisterSink(l.sink) // a line may come twice; none is lost
	if before != nil {
		l.DeregisterSink(before)
	}
}

// adoptStandardLog takes in what net/http, which has no other way, says of odd
// backends there. Backends must not be able to fill our log.
func adoptStandardLog(logger hclog.Logger) {
	log.SetFlags(0)
	log.SetOutput(logger.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}))
}
