package pool

import (
	"errors"
	"testing"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
)

// Who has returned is out again after one failure, until it has answered; but that
// connections are refused is for the checks. Who is new, or was
// away for another reason, has all the failures that anybody has: it may be slow to
// begin with.
func TestAFailureOnTrialEjects(t *testing.T) {
	for outcome, ejects := range map[balancer.Outcome]bool{
		balancer.Broken: true, balancer.Unavailable: true, balancer.Unreachable: false, balancer.Abandoned: false,
	} {
		b := newOutlierBench(t, 3)
		b.attempts("a", 5, balancer.Broken, sec)
		b.after(sec + ms)
		b.looked("a", true, true)
		b.attempts("a", 1, outcome, 0)
		e := b.members["dc1/node/a"].endpoint
		if !ejects {
			b.want("a=serving b=serving c=serving | a b c")
			if !e.OnTrial() {
				t.Errorf("after outcome %d it is not on trial any more", outcome)
			}
			continue
		}
		b.want("a=ejected b=serving c=serving | b c")
		if got := b.reasons(); got != "[consecutive_failures] it failed as soon as it was back: connection reset" {
			t.Errorf("told as %s", got)
		}
		b.after(2*sec + ms)
		b.looked("a", true, true)
		b.attempts("a", 1, balancer.Succeeded, ms)
		b.attempts("a", 4, balancer.Broken, 0)
		b.want("a=serving b=serving c=serving | a b c")
	}
	for name, comes := range map[string]func(b *outlierBench){
		"new": func(*outlierBench) {},
		"back from maintenance": func(b *outlierBench) {
			away := instance("d")
			away.Status = discovery.Maintenance
			b.set(instance("a"), instance("b"), instance("c"), away)
		},
		"back from maintenance, an outlier before": func(b *outlierBench) {
			b.attempts("d", 5, balancer.Broken, 0)
			b.after(sec + ms)
			b.looked("d", true, true)
			away := instance("d")
			away.Status = discovery.Maintenance
			b.set(instance("a"), instance("b"), instance("c"), away)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newOutlierBench(t, 3)
			b.set(instance("a"), instance("b"), instance("c"), instance("d"))
			b.check("d", "127.0.0.1:1", nil)
			comes(b)
			b.set(instance("a"), instance("b"), instance("c"), instance("d"))
			b.attempts("d", 4, balancer.Broken, 0)
			b.want("a=serving b=serving c=serving d=serving | a b c d")
			b.attempts("d", 1, balancer.Broken, 0)
			b.want("a=serving b=serving c=serving d=ejected | a b c")
		})
	}
}

// A failure of what began before the return says nothing of who has returned.
func TestWhatBeganBeforeTheReturnDoesNotCount(t *testing.T) {
	b := newOutlierBench(t, 3)
	e := b.members["dc1/node/a"].endpoint
	only(e).Pick(nil)
	b.attempts("a", 5, balancer.Broken, 0)
	b.after(sec + ms)
	b.looked("a", true, true)
	e.Done(balancer.Broken, e.Address(), 15*sec, errors.New("late"))
	b.notice()
	b.want("a=serving b=serving c=serving | a b c")
	if !e.OnTrial() || e.Streak() > 0 {
		t.Errorf("it is on trial: %t, with a streak of %d", e.OnTrial(), e.Streak())
	}
}

// Who fails all the time, when nobody more may be taken out, is tried now and then,
// and what can be had from the others is.
func TestWhoMayNotBeTakenOutIsTried(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 5, balancer.Broken, 0)
	b.attempts("b", 5, balancer.Broken, 0)
	b.want("a=ejected b=serving c=serving | b c")
	pool := b.service.Pool()
	for range 100 {
		e := pool.Pick(nil)
		o := balancer.Succeeded
		if e.ID() == "dc1/node/b" {
			o = balancer.Broken
		}
		e.Done(o, e.Address(), 0, errors.New("connection reset"))
	}
	e := b.members["dc1/node/b"].endpoint
	if n, _ := e.Totals(); n != 5+1 || !e.OnTrial() {
		t.Errorf("it got %d of 100 requests, on trial: %t", n-5, e.OnTrial())
	}
	b.attempts("b", 1, balancer.Succeeded, ms)
	if e.OnTrial() {
		t.Error("it is on trial though it answers")
	}
}

// What failed while an endpoint was out, as a last resort, does not take it out again.
func TestWhatFailedWhileItWasOutDoesNotCount(t *testing.T) {
	b := newOutlierBench(t, 3)
	for _, name := range []string{"a", "b", "c"} {
		b.check(name, "127.0.0.1:1", errors.New("refused"))
	}
	b.attempts("a", 5, balancer.Unreachable, 0)
	for _, name := range []string{"a", "b", "c"} {
		b.check(name, "127.0.0.1:1", nil)
	}
	b.after(10 * sec)
	b.want("a=serving b=serving c=serving | a b c")
}

// Whoever is out is on trial, however it came to be out: a panic would give it a share.
func TestWhoIsOutIsOnTrial(t *testing.T) {
	refused := errors.New("refused")
	with := func(s discovery.Status, address string) discovery.Instance {
		in := instance("a")
		in.Status, in.Address = s, address
		return in
	}
	const here, there = "127.0.0.1:1", "127.0.0.1:2"
	for name, goes := range map[string]func(b *outlierBench){
		"down":     func(b *outlierBench) { b.check("a", here, refused) },
		"critical": func(b *outlierBench) { b.set(with(discovery.Critical, here), instance("b")) },
		"critical after maintenance": func(b *outlierBench) {
			b.set(with(discovery.Maintenance, here), instance("b"))
			b.set(with(discovery.Critical, here), instance("b"))
		},
		"moved while it is down": func(b *outlierBench) {
			b.check("a", here, refused)
			b.set(with(discovery.Passing, there), instance("b"))
		},
		"named again while it drains": func(b *outlierBench) {
			only(b.members["dc1/node/a"].endpoint).Pick(nil)
			b.set(instance("b"))
			b.set(with(discovery.Passing, here), instance("b"))
		},
		"passes a check as an outlier that was down": func(b *outlierBench) {
			b.attempts("a", 5, balancer.Broken, 0)
			b.check("a", here, refused)
			b.check("a", here, nil)
		},
	} {
		b := newOutlierBench(t, 2)
		goes(b)
		if m := b.members["dc1/node/a"]; m.serves() || !m.endpoint.OnTrial() {
			t.Errorf("%s: it serves: %t, is on trial: %t", name, m.serves(), m.endpoint.OnTrial())
		}
		if b.members["dc1/node/b"].endpoint.OnTrial() {
			t.Errorf("%s: the other is on trial, who was there at the start", name)
		}
	}
}
