package proxy

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// closing is a file that is closed but once.
type closing struct {
	bytes.Buffer
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

// What was handed over before goes to the old file, which is closed then; what
// comes after goes to the new one.
func TestReopen(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		var first, unused, second closing
		l, stop := logTo(t, AccessJSON, &first)
		l.add(0, &accessEntry{Target: "/one"})
		l.Reopen(AccessCombined, &unused)
		l.Reopen(AccessCombined, &second)
		synctest.Wait()
		l.add(0, &accessEntry{Target: "/two"})
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := first.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"target":"/one"`) || first.closed != 1 {
			t.Errorf("the first has %q and was closed %d times", got, first.closed)
		}
		if got := second.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, ` /two `) || second.closed != 0 {
			t.Errorf("the second has %q and was closed %d times", got, second.closed)
		}
		if unused.Len() > 0 || unused.closed != 1 {
			t.Errorf("the unused one has %q and was closed %d times", &unused, unused.closed)
		}
		if err := l.Close(); err != nil || second.closed != 1 {
			t.Errorf("after the end it was closed %d times, %v", second.closed, err)
		}
	})
}

// The buffer of what has waited for long does not stay.
func TestLongBuffersAreNotKept(t *testing.T) {
	for size, kept := range map[int]bool{100: true, logKept: false} {
		w := logWriter{log: NewAccessLog(AccessCombined, io.Discard)}
		w.log.add(0, &accessEntry{Target: strings.Repeat("a", size)})
		w.drain()
		if (w.spare != nil) != kept {
			t.Errorf("a target of %d bytes: a buffer of %d is kept", size, cap(w.spare))
		}
	}
}
