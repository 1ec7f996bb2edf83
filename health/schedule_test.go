package health

import (
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	tests := []struct {
		name     string
		interval time.Duration
		history  string // with 2 passes to go up and 3 failures to go down
		want     time.Duration
	}{
		{"well", 10 * sec, "++", 10 * sec},
		{"well for long", 10 * sec, "+++++", 10 * sec},
		{"unknown, our own fault", 10 * sec, "o", sec},
		{"unknown, a pass", 10 * sec, "+", sec},
		{"up, a failure", 10 * sec, "++-", sec},
		{"up, two failures", 10 * sec, "++--", sec},
		{"up, a strike", 10 * sec, "++s", sec},
		{"up, failures forgiven", 10 * sec, "++--+", 10 * sec},
		{"up, our own fault", 10 * sec, "++o", 10 * sec},
		{"gone down", 8 * sec, "++---", sec},
		{"gone down, one more", 8 * sec, "++----", 2 * sec},
		{"gone down, two more", 8 * sec, "++-----", 4 * sec},
		{"gone down, three more", 8 * sec, "++------", 8 * sec},
		{"gone down for long", 8 * sec, "++-------------", 8 * sec},
		{"gone down, strikes", 8 * sec, "++---sss", sec},
		{"gone down, our own fault", 8 * sec, "++----o", 2 * sec},
		{"never up", 8 * sec, "-", sec},
		{"never up, one more", 8 * sec, "--", 2 * sec},
		{"down, a pass", 10 * sec, "-----+", sec},
		{"down, a pass in between", 8 * sec, "-----+-", 2 * sec},
		{"up again", 10 * sec, "-----++", 10 * sec},
		{"a short interval has short pauses", 2 * sec, "++-", 200 * ms},
		{"a long interval has no long ones", time.Hour, "++-", sec},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, _ := replay(NewActive(Unknown, 2, 3), test.history)
			if got := (Spec{Interval: test.interval}).wait(a); got != test.want {
				t.Errorf("after %s the wait is %v, want %v", test.history, got, test.want)
			}
		})
	}
}

func TestGap(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		100 * ms: 100 * ms, 250 * ms: 250 * ms, 10 * sec: 250 * ms,
	} {
		if got := (Spec{Interval: interval}).gap(); got != want {
			t.Errorf("with an interval of %v the gap is %v, want %v", interval, got, want)
		}
	}
}

func TestJittered(t *testing.T) {
	for random, want := range map[float64]time.Duration{
		0: 9 * sec, 0.25: 9500 * ms, 0.5: 10 * sec, 0.75: 10500 * ms,
	} {
		if got := jittered(10*sec, random); got != want {
			t.Errorf("10s with %v is %v, want %v", random, got, want)
		}
	}
}

func TestTogether(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Unix(1e9, 0).Add(d) }
	tests := []struct{ interval, at, want time.Duration }{
		{10 * sec, 0, 0},
		{10 * sec, 1, 100 * ms},
		{10 * sec, 100 * ms, 100 * ms},
		{10 * sec, 7250 * ms, 7300 * ms},
		{time.Hour, 7250 * ms, 7500 * ms},
		{50 * ms, 7250*ms + 1, 7250*ms + 500*time.Microsecond},
		{1, 7250*ms + 1, 7250*ms + 1},
	}
	for _, test := range tests {
		if got := (Spec{Interval: test.interval}).together(at(test.at)); !got.Equal(at(test.want)) {
			t.Errorf("every %v, due after %v: it is at %v, want %v", test.interval, test.at, got.Sub(at(0)), test.want)
		}
	}
}
