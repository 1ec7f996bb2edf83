package static

import (
	"context"
	"reflect"
	"testing"

	"go.uber.org/goleak"

	"github.com/rota-lb/rota/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASetIsToldOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var updates []discovery.Update
	New([]string{"localhost:8082", "localhost:8081"}).Run(ctx, func(u discovery.Update) {
		updates = append(updates, u)
		cancel()
	})
	want := []discovery.Update{{Kind: discovery.Set, Instances: []discovery.Instance{
		{ID: "static/localhost:8081", Name: "localhost:8081", Address: "localhost:8081", Weight: 1},
		{ID: "static/localhost:8082", Name: "localhost:8082", Address: "localhost:8082", Weight: 1},
	}}}
	if !reflect.DeepEqual(updates, want) {
		t.Errorf("told %+v, want %+v", updates, want)
	}
}
