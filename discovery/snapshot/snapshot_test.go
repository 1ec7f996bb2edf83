package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/discovery"
)

// script is a source that tells what a test has it tell.
type script func(ctx context.Context, publish func(discovery.Update))

func (s script) Run(ctx context.Context, publish func(discovery.Update)) {
	s(ctx, publish)
	<-ctx.Done()
}

// runner runs sources in one folder, one after another, within a bubble.
type runner struct {
	t    *testing.T
	dir  string
	logs bytes.Buffer
	mu   sync.Mutex
	got  []discovery.Update
}

// run runs a source for d and returns what was published.
func (r *runner) run(d time.Duration, inner script) []discovery.Update {
	r.t.Helper()
	return r.play(d, r.source(inner))
}

func (r *runner) source(inner script) *Source {
	return New(inner, Options{Dir: r.dir, Service: "web", Query: "q", Logger: hclog.New(&hclog.LoggerOptions{Output: &r.logs, DisableTime: true})})
}

func (r *runner) play(d time.Duration, s *Source) []discovery.Update {
	r.t.Helper()
	r.got = nil
	r.logs.Reset()
	ctx, stop := context.WithTimeout(r.t.Context(), d)
	defer stop()
	s.Run(ctx, func(u discovery.Update) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, u)
	})
	return r.got
}

// bubble runs a test by a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, r *runner)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(t, &runner{t: t, dir: dir}) })
}

func instances(names ...string) (all []discovery.Instance) {
	for _, name := range names {
		all = append(all, discovery.Instance{
			ID: "dc1/node/" + name, Name: name, Address: "10.0.0.1:80", Weight: 2, Status: discovery.Warning,
			Node: "node", Datacenter: "dc1", Tags: []string{"a", "b"}, Meta: map[string]string{"é": "\x01"},
		})
	}
	return all
}

func set(names ...string) discovery.Update {
	return discovery.Update{Kind: discovery.Set, Instances: instances(names...)}
}

// tells publishes these, and then nothing.
func tells(updates ...discovery.Update) script {
	return func(_ context.Context, publish func(discovery.Update)) {
		for _, u := range updates {
			publish(u)
		}
	}
}

var failed = discovery.Update{Kind: discovery.Failed, Err: errors.New("connection refused")}

func (r *runner) wantKept(got discovery.Update, age time.Duration, names ...string) {
	r.t.Helper()
	want := discovery.Update{Kind: discovery.Kept, Instances: instances(names...), Age: age}
	if !reflect.DeepEqual(got, want) {
		r.t.Errorf("published %+v, want %+v", got, want)
	}
}

// What a source told last is there at the next start, as old as it is, at once
// where the source fails and soon where it is silent. The truth goes after it.
func TestAStartWithoutTheSource(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		held := set("a", "b")
		held.Instances[1].Held = true
		r.run(time.Minute, tells(set("a"), held))
		time.Sleep(time.Hour)

		began := time.Now()
		var took time.Duration
		got := r.run(time.Minute, func(ctx context.Context, publish func(discovery.Update)) {
			publish(failed)
			synctest.Wait()
			took = time.Since(began)
			publish(set("c"))
		})
		if len(got) != 3 || got[0].Kind != discovery.Failed || got[2].Kind != discovery.Set || took != 0 {
			t.Fatalf("published %+v after %v", got, took)
		}
		r.wantKept(got[1], time.Hour+time.Minute, "a", "b")

		got = r.run(time.Minute, tells())
		if len(got) != 1 {
			t.Fatalf("a silent source: %+v", got)
		}
		r.wantKept(got[0], grace+time.Minute, "c")
	})
}

// A list that was confirmed is as old as its confirmation.
func TestAConfirmationMakesItYounger(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		r.run(time.Hour, func(ctx context.Context, publish func(discovery.Update)) {
			publish(set("a"))
			pause(ctx, time.Hour-time.Second)
			publish(discovery.Update{Kind: discovery.Unchanged})
		})
		got := r.run(time.Second, tells(failed))
		if len(got) != 2 {
			t.Fatalf("published %+v", got)
		}
		r.wantKept(got[1], time.Second, "a")
	})
}

// From a rest on nothing is written, at the end neither.
func TestARest(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		var s *Source
		s = r.source(func(ctx context.Context, publish func(discovery.Update)) {
			publish(set("a"))
			pause(ctx, time.Minute)
			s.Rest()
			publish(set("b"))
			pause(ctx, time.Minute)
			publish(set("c"))
		})
		r.play(time.Hour, s)
		got := r.run(time.Second, tells(failed))
		if len(got) != 2 {
			t.Fatalf("published %+v", got)
		}
		r.wantKept(got[1], time.Hour, "a")
	})
}

// A source that answers is not disturbed, however the snapshot looks.
func TestASourceThatAnswersNeedsNoSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		for range 2 {
			if got := r.run(time.Minute, tells(set("a"))); len(got) != 1 || got[0].Kind != discovery.Set {
				t.Errorf("published %+v", got)
			}
			if r.logs.Len() != 0 {
				t.Errorf("told\n%s", r.logs.String())
			}
		}
	})
}

func TestAClockThatWasSetBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		later := record{Service: "web", Query: "q", Time: time.Now().Add(24 * time.Hour), Instances: instances("a")}
		if err := (disk{r.dir, fileName("web")}).store(&later); err != nil {
			t.Fatal(err)
		}
		got := r.run(time.Second, tells(failed))
		if len(got) != 2 {
			t.Fatalf("published %+v", got)
		}
		r.wantKept(got[1], 0, "a")
	})
}

// A burst costs one write a second, and of the last state at that.
func TestWritesAreCoalesced(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		file := disk{r.dir, fileName("web")}
		seen := map[time.Time]bool{}
		r.run(10*time.Second, func(ctx context.Context, publish func(discovery.Update)) {
			for range 300 {
				publish(set("a"))
				publish(set("a", "b"))
				pause(ctx, 10*time.Millisecond)
				synctest.Wait()
				if r, err := file.load("web", "q"); err == nil {
					seen[r.Time] = true
				}
			}
		})
		if len(seen) < 3 || len(seen) > 4 {
			t.Errorf("%d writes in 3 seconds", len(seen))
		}
		got := r.run(time.Second, tells(failed))
		if len(got) != 2 {
			t.Fatalf("published %+v", got)
		}
		r.wantKept(got[1], 7*time.Second+10*time.Millisecond, "a", "b")
	})
}

// A disk that fails is told of once, and again when it works; it is tried again
// without a change. What it held stays.
func TestADiskThatFails(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		good := r.dir
		r.dir = filepath.Join(good, "not", "there")
		got := r.run(time.Hour, func(ctx context.Context, publish func(discovery.Update)) {
			for range 100 {
				publish(set("a"))
				pause(ctx, 10*time.Second)
			}
			pause(ctx, time.Minute) // so that what is known has been tried, and no change comes
			if err := os.MkdirAll(r.dir, 0o700); err != nil {
				t.Error(err)
			}
			pause(ctx, time.Minute)
			if _, err := (disk{r.dir, fileName("web")}).load("web", "q"); err != nil {
				t.Errorf("after a minute there is no snapshot: %v", err)
			}
		})
		if len(got) != 100 {
			t.Errorf("%d updates", len(got))
		}
		text := r.logs.String()
		if strings.Count(text, "can't keep a snapshot") != 1 || strings.Count(text, "snapshots are kept again") != 1 ||
			!strings.Contains(text, "no such file or directory") {
			t.Errorf("told as\n%s", text)
		}
	})
}

// Whatever is in the place of the file, a start goes on without it, says why,
// and the next list replaces it.
func TestBadFiles(t *testing.T) {
	whole, err := encode(&record{Service: "web", Query: "q", Instances: instances("a", "b")})
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*record)) []byte {
		r := record{Service: "web", Query: "q", Instances: instances("a", "b")}
		change(&r)
		text, err := encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	tests := []struct {
		name string
		text []byte
		told string
	}{
		{"empty", nil, "damaged"},
		{"truncated", whole[:len(whole)-1], "damaged"},
		{"only its head", whole[:bytes.IndexByte(whole, '\n')+1], "damaged"},
		{"without an end of its head", whole[:bytes.IndexByte(whole, '\n')], "damaged"},
		{"one bit", flipped, "damaged"},
		{"more behind it", append(bytes.Clone(whole), ' '), "damaged"},
		{"zeros, as after a power cut", make([]byte, len(whole)), "damaged"},
		{"another version", bytes.Replace(whole, []byte("snapshot 1 "), []byte("snapshot 2 "), 1), `version \"2\", and this rota reads 1`},
		{"another service", with(func(r *record) { r.Service = "api" }), `service \"api\"`},
		{"another query", with(func(r *record) { r.Query = "p" }), "another configuration"},
		{"no port", with(func(r *record) { r.Instances[0].Address = "10.0.0.1" }), "damaged"},
		{"port 0", with(func(r *record) { r.Instances[0].Address = "10.0.0.1:0" }), "damaged"},
		{"one twice", with(func(r *record) { r.Instances[1] = r.Instances[0] }), "damaged"},
		{"a status of the future", with(func(r *record) { r.Instances[1].Status = 9 }), "damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *runner) {
				file := disk{r.dir, fileName("web")}
				if err := os.WriteFile(file.path(), tt.text, 0o600); err != nil {
					t.Fatal(err)
				}
				if got := r.run(time.Minute, tells(failed)); len(got) != 1 {
					t.Errorf("published %+v", got)
				}
				if text := r.logs.String(); !strings.Contains(text, "the snapshot is ignored") || !strings.Contains(text, tt.told) ||
					!strings.Contains(text, file.path()) {
					t.Errorf("told as\n%s", text)
				}
				r.run(time.Minute, tells(set("c")))
				if got := r.run(time.Minute, tells(failed)); len(got) != 2 {
					t.Errorf("after another list: %+v", got)
				}
			})
		})
	}
}

// A disk that hangs, at the start or at a write, holds up neither the news nor a
// stop.
func TestADiskThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		mended := make(chan struct{})
		defer close(mended)
		s := r.source(func(ctx context.Context, publish func(discovery.Update)) {
			publish(failed)
			for _, name := range []string{"a", "b", "c"} {
				pause(ctx, 2*interval)
				publish(set(name))
			}
		})
		s.load = func(string, string) (record, error) { <-mended; return record{}, fs.ErrNotExist }
		s.store = func(*record) error { <-mended; return nil }
		began := time.Now()
		got := r.play(time.Minute, s)
		if took := time.Since(began); took != time.Minute+farewell {
			t.Errorf("it ends after %v, want %v", took, time.Minute+farewell)
		}
		if len(got) != 4 || got[3].Kind != discovery.Set {
			t.Errorf("published %+v", got)
		}
		if text := r.logs.String(); !strings.Contains(text, "the disk does not answer") {
			t.Errorf("told as\n%s", text)
		}
	})
}

func TestAStartWithoutEither(t *testing.T) {
	bubble(t, func(t *testing.T, r *runner) {
		if got := r.run(time.Minute, tells(failed)); len(got) != 1 {
			t.Errorf("published %+v", got)
		}
		if text := r.logs.String(); !strings.Contains(text, "there is no snapshot to start from") {
			t.Errorf("told as\n%s", text)
		}
	})
}
