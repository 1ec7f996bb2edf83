package consul

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/discovery"
)

// script returns an ask function that plays events, each after its delay, and
// then asks for ever; asked gets the time of each request.
type script struct {
	events []event
	always event // what comes after the events; without index and error: nothing
	asked  []time.Time
}

func (s *script) ask(ctx context.Context, _ query) (answer, error) {
	s.asked = append(s.asked, time.Now())
	n := len(s.asked) - 1
	if n < len(s.events) {
		return s.events[n].answer()
	}
	if s.always.index == 0 && s.always.err == nil {
		<-ctx.Done()
		return answer{}, ctx.Err()
	}
	e := s.always
	e.index += uint64(n)
	return e.answer()
}

// play runs a source for so long, in the bubble's time.
func (s *script) play(t *testing.T, log hclog.Logger, random float64, long time.Duration) []string {
	t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	source := &source{ask: s.ask, watch: Watch{Service: "web"}, hold: holdFor, logger: log, random: func() float64 { return random }}
	source.Run(ctx, func(u discovery.Update) { got = append(got, brief(u, true)) })
	return got
}

func TestRunSlowsAHotIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{always: event{index: 1, names: "a"}}
		got := s.play(t, hclog.NewNullLogger(), 0, 10*time.Second+time.Millisecond)
		// The burst, and then ten a second.
		if want := burst + 10*perSecond; len(s.asked) != want {
			t.Errorf("%d requests in 10 s, want %d", len(s.asked), want)
		}
		if got[0] != "[a]" || got[1] != "same" || got[len(got)-1] != "same" {
			t.Errorf("updates %q, want a set and then its confirmations", got)
		}
	})
}

func TestRunTellsChangesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{events: []event{{index: 1, names: "a"}, {index: 2, names: "ab"}, {index: 3, names: "b"}}}
		start := time.Now()
		if got := s.play(t, hclog.NewNullLogger(), 0, time.Minute); fmt.Sprint(got) != "[[a] [ab] [b]]" {
			t.Errorf("updates %q", got)
		}
		if late := s.asked[3].Sub(start); late != 0 {
			t.Errorf("three changes took %s, want no time at all", late)
		}
	})
}

// TestRunFollowsHaste: sixty changes in a row, as a deployment makes them, come
// at once, though sixty answers without a change would take seconds.
func TestRunFollowsHaste(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for n := range 60 {
			s.events = append(s.events, event{index: uint64(n + 1), names: []string{"a", "ab"}[n%2]})
		}
		start := time.Now()
		if got := s.play(t, hclog.NewNullLogger(), 0, time.Minute); len(got) != 60 {
			t.Errorf("%d updates, want 60", len(got))
		}
		if late := s.asked[60].Sub(start); late != 0 {
			t.Errorf("sixty changes took %s, want no time at all", late)
		}
	})
}

// TestRunBoundsAFlap: a service that never stops changing is followed, but not
// faster than fifty times a second.
func TestRunBoundsAFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for n := range 2000 {
			s.events = append(s.events, event{index: uint64(n + 1), names: []string{"a", "ab"}[n%2]})
		}
		s.play(t, hclog.NewNullLogger(), 0, 10*time.Second+time.Millisecond)
		if want := int((burst + 10*perSecond) / changeCost); len(s.asked) < want-5 || len(s.asked) > want+5 {
			t.Errorf("%d requests in 10 s, want about %d", len(s.asked), want)
		}
	})
}

func TestRunBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{always: event{err: errors.New("refused")}}
		s.play(t, hclog.NewNullLogger(), 0.999, time.Hour)
		var pauses []time.Duration
		for n := range s.asked[1:] {
			pauses = append(pauses, s.asked[n+1].Sub(s.asked[n]).Round(time.Millisecond))
		}
		if got := fmt.Sprint(pauses[:6]); got != "[50ms 100ms 200ms 400ms 500ms 500ms]" {
			t.Errorf("pauses %s", got)
		}
		if last := pauses[len(pauses)-1]; last > maxBackoff {
			t.Errorf("after an hour the pause is %s, want no more than %s", last, maxBackoff)
		}
	})
}

func TestRunBacksOffAnewAfterSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := event{err: errors.New("refused")}
		s := &script{events: []event{refused, refused, refused, refused, {index: 1}, refused}}
		s.play(t, hclog.NewNullLogger(), 0.999, time.Minute)
		if pause := s.asked[6].Sub(s.asked[5]); pause > minBackoff {
			t.Errorf("the first pause after a success is %s, want no more than %s", pause, minBackoff)
		}
	})
}

// TestRunWithoutPauseIsPaced: even if chance makes every pause 0, failures don't
// make a hot loop.
func TestRunWithoutPauseIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{always: event{err: errors.New("refused")}}
		s.play(t, hclog.NewNullLogger(), 0, 10*time.Second+time.Millisecond)
		if want := burst + 10*perSecond; len(s.asked) != want {
			t.Errorf("%d requests in 10 s, want %d", len(s.asked), want)
		}
	})
}

// TestRunSkipsToTheNewest: while the receiver is busy nothing is asked, so what
// happened in between is one update.
func TestRunSkipsToTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{always: event{index: 1, names: "a"}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		source := &source{ask: s.ask, logger: hclog.NewNullLogger(), random: func() float64 { return 0 }}
		source.Run(ctx, func(discovery.Update) { <-ctx.Done() })
		if len(s.asked) != 1 {
			t.Errorf("%d requests while the receiver was busy, want 1", len(s.asked))
		}
	})
}

// TestRunGoesByWhatWasKnown: also by what is known only when the first answer
// comes, as that of a snapshot is.
func TestRunGoesByWhatWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{events: []event{{err: errors.New("refused")}, {index: 1, names: "c"}}}
		known := []discovery.Instance(nil)
		source := &source{
			before: func() []discovery.Instance { return known },
			ask:    s.ask, watch: Watch{Service: "web"}, hold: holdFor, logger: hclog.NewNullLogger(), random: func() float64 { return 0 },
		}
		ctx, cancel := context.WithTimeout(t.Context(), holdFor/2)
		defer cancel()
		var got []string
		source.Run(ctx, func(u discovery.Update) {
			known = []discovery.Instance{{ID: "a", Name: "a"}, {ID: "b", Name: "b"}}
			got = append(got, brief(u, true))
		})
		if fmt.Sprint(got) != "[fail [ABc]]" {
			t.Errorf("updates %q", got)
		}
	})
}

func TestRunLogsWhatBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused, denied := event{err: errors.New("refused")}, event{err: errors.New("denied")}
		s := &script{events: []event{
			refused, refused, {index: 1}, refused, refused, refused, denied, denied, {index: 2}, {index: 3, names: "a"}, refused, {index: 1},
		}}
		var log bytes.Buffer
		s.play(t, hclog.New(&hclog.LoggerOptions{Output: &log, DisableTime: true}), 0, time.Minute)
		want := `[WARN]  discovery from Consul fails; no instances are known yet: service=web error=refused
[INFO]  discovery from Consul works again: service=web
[WARN]  discovery from Consul fails; the last known instances stay: service=web error=refused
[WARN]  discovery from Consul fails; the last known instances stay: service=web error=denied
[INFO]  discovery from Consul works again: service=web
[WARN]  discovery from Consul fails; the last known instances stay: service=web error=refused
[INFO]  discovery from Consul works again: service=web
`
		if got := log.String(); got != want {
			t.Errorf("log:\n%swant:\n%s", got, strings.TrimSpace(want))
		}
	})
}
