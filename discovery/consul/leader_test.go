package consul

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// TestLeaderReturns: each row tells what the looks at a leader say one after
// the other: y and n, and ? for a look that fails. The last goes on for ever.
func TestLeaderReturns(t *testing.T) {
	for _, tt := range []struct {
		looks string
		at    time.Duration // when a held query is ended; 0: never
	}{
		{"y", 0},
		{"n", 0},
		{"?", 0},
		{"ny", silentFor + lookEvery},
		{"yny", silentFor + 2*lookEvery},
		{"nnny", silentFor + 3*lookEvery},
		{"n??y", silentFor + 3*lookEvery},
		{"??y", 0},
		{"yn", 0},
	} {
		t.Run(tt.looks, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				l := newLeader(func(context.Context) (bool, error) {
					look := tt.looks[min(n, len(tt.looks)-1)]
					n++
					if look == '?' {
						return false, errors.New("no answer")
					}
					return look == 'y', nil
				})
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				query, stop := l.endHeld(ctx)
				<-query.Done()
				back, took := errors.Is(context.Cause(query), errLeaderIsBack), time.Since(start)
				stop()
				if back != (tt.at > 0) || back && took != tt.at {
					t.Errorf("ended after %v, the leader being back is %v; want %v", took, back, tt.at)
				}
			})
		})
	}
}

// TestLooksAreShared: a thousand queries that wait look no more often than one.
func TestLooksAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		l := newLeader(func(context.Context) (bool, error) {
			looks++
			return true, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var waiting sync.WaitGroup
		for n := range 1000 {
			waiting.Go(func() {
				pause(ctx, time.Duration(n)*time.Millisecond)
				l.returns(ctx)
			})
		}
		waiting.Wait()
		if most := int(10*time.Second/lookAge) + 1; looks > most {
			t.Errorf("%d looks in 10 s, want at most %d", looks, most)
		}
	})
}

// TestHeldQueryIsAskedAgain: a server that has just started holds what it is
// asked for longer than it is without a leader.
func TestHeldQueryIsAskedAgain(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	f.SetLeader(false)
	f.Script("web", testkit.Hang(), testkit.Instances(5, testkit.Entry("web", "a", "10.0.0.1", 80)))
	c := faultClient(t, f)
	c.answerWithin = time.Minute
	u := watch(t, c, Watch{Service: "web"})
	f.Await(testkit.LeaderPath, 1)
	f.SetLeader(true)
	u.want(discovery.Set)
}

// TestSlowAnswerIsAwaited: silence alone is no reason to ask again.
func TestSlowAnswerIsAwaited(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	f.Script("web", testkit.Hang(), testkit.Instances(5))
	c := faultClient(t, f)
	c.answerWithin = time.Second
	u := watch(t, c, Watch{Service: "web"})
	if err := u.want(discovery.Failed).Err; !strings.Contains(err.Error(), "no answer from Consul within") {
		t.Errorf("error %q", err)
	}
}
