package static

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rota-lb/rota/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPublishesOneSet(t *testing.T) {
	addresses := []string{"b:2", "10.0.0.1:1", "[::1]:3", "b:2"}
	want := discovery.Update{Kind: discovery.Set, Instances: []discovery.Instance{
		{ID: "static/10.0.0.1:1", Name: "10.0.0.1:1", Address: "10.0.0.1:1", Weight: 1},
		{ID: "static/[::1]:3", Name: "[::1]:3", Address: "[::1]:3", Weight: 1},
		{ID: "static/b:2", Name: "b:2", Address: "b:2", Weight: 1},
	}}
	s := New(addresses)
	addresses[0] = "changed:1" // the list is the caller's
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		var got []discovery.Update
		start := time.Now()
		s.Run(ctx, func(u discovery.Update) { got = append(got, u) })
		if !reflect.DeepEqual(got, []discovery.Update{want}) {
			t.Errorf("published %+v, want only %+v", got, want)
		}
		if ran := time.Since(start); ran != 24*time.Hour {
			t.Errorf("ran for %s, want until its context ends", ran)
		}
	})
}

func TestPublishesAnEmptySet(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	published := 0
	New(nil).Run(ctx, func(u discovery.Update) {
		published++
		if u.Kind != discovery.Set || len(u.Instances) != 0 {
			t.Errorf("published %+v, want an empty set", u)
		}
		cancel()
	})
	if published != 1 {
		t.Errorf("%d updates, want 1", published)
	}
}
