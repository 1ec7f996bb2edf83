package health

import (
	"errors"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
)

var errRefused = errors.New("connection refused")

// events are the letters that the tables below write histories in.
var events = map[rune]Result{
	'+': {},
	'-': {Err: errRefused},
	's': {Err: errRefused, Passive: true},
	'o': {Err: os.NewSyscallError("socket", syscall.EMFILE)},
}

// replay feeds history to a, and returns the last state and transition.
func replay(a Active, history string) (Active, Transition) {
	transition := None
	for _, event := range history {
		a, transition = a.Observe(events[event])
	}
	return a, transition
}

// The state × event matrix, with 2 passes to go up and 3 failures to go down.
// "unknown 1" has one pass, "up 2" two failures in a row, "down 1" one pass; a
// dash is "stays as it is".
//
//	            pass        failed check   strike        own fault
//	unknown     unknown 1   Down           Down          -
//	unknown 1   Up          Down           Down          -
//	up          up          up 1           up 1          -
//	up 1        up          up 2           up 2          -
//	up 2        up          Down           Down          -
//	down        down 1      down           -             -
//	down 1      Up          down           -             -
func TestActiveMatrix(t *testing.T) {
	unknown, known := Active{}, Active{verdict: Unhealthy}
	up := Active{verdict: Healthy}
	with := func(a Active, passes, failures, retries int) Active {
		a.passes, a.failures, a.retries = passes, failures, retries
		return a
	}
	tests := []struct {
		state   string
		history string // how the state is reached
		event   rune
		want    Active // but for the thresholds
		change  Transition
	}{
		{"unknown", "", '+', with(unknown, 1, 0, 0), None},
		{"unknown", "", '-', with(known, 0, 1, 0), Down},
		{"unknown", "", 's', with(known, 0, 1, 0), Down},
		{"unknown", "", 'o', unknown, None},

		{"unknown 1", "+", '+', with(up, 2, 0, 0), Up},
		{"unknown 1", "+", '-', with(known, 0, 1, 0), Down},
		{"unknown 1", "+", 's', with(known, 0, 1, 0), Down},
		{"unknown 1", "+", 'o', with(unknown, 1, 0, 0), None},

		{"up", "++", '+', with(up, 3, 0, 0), None},
		{"up", "++", '-', with(up, 0, 1, 0), None},
		{"up", "++", 's', with(up, 0, 1, 0), None},
		{"up", "++", 'o', with(up, 2, 0, 0), None},

		{"up 1", "++-", '+', with(up, 1, 0, 0), None},
		{"up 1", "++-", '-', with(up, 0, 2, 0), None},
		{"up 1", "++-", 's', with(up, 0, 2, 0), None},
		{"up 1", "++-", 'o', with(up, 0, 1, 0), None},

		{"up 2", "++-s", '+', with(up, 1, 0, 0), None},
		{"up 2", "++s-", '-', with(known, 0, 3, 0), Down},
		{"up 2", "++--", 's', with(known, 0, 3, 0), Down},
		{"up 2", "++--", 'o', with(up, 0, 2, 0), None},

		{"down", "-", '+', with(known, 1, 0, 0), None},
		{"down", "-", '-', with(known, 0, 2, 1), None},
		{"down", "-", 's', with(known, 0, 1, 0), None},
		{"down", "-", 'o', with(known, 0, 1, 0), None},

		{"down 1", "--+", '+', with(up, 2, 0, 0), Up},
		{"down 1", "--+", '-', with(known, 0, 1, 1), None},
		{"down 1", "--+", 's', with(known, 1, 0, 0), None},
		{"down 1", "--+", 'o', with(known, 1, 0, 0), None},
	}
	for _, test := range tests {
		t.Run(test.state+" "+string(test.event), func(t *testing.T) {
			before, _ := replay(NewActive(Unknown, 2, 3), test.history)
			got, change := before.Observe(events[test.event])

			want := test.want
			want.healthyAfter, want.unhealthyAfter = 2, 3
			if got != want || change != test.change {
				t.Errorf("got %+v, %v\nwant %+v, %v", got, change, want, test.change)
			}
		})
	}
}

func TestActiveHistories(t *testing.T) {
	tests := []struct {
		name                         string
		healthyAfter, unhealthyAfter int
		history                      string
		want                         string // one letter an event: U up, D down, . none
	}{
		{"one of each", 1, 1, "+-+-", "UDUD"},
		{"less than one means one", 0, -1, "+-+-", "UDUD"},
		{"isolated failures are not consecutive", 1, 2, "+-+-+-+-+", "U........"},
		{"isolated passes are not consecutive", 2, 1, "-+-+-+-++", "D.......U"},
		{"strikes and checks make one streak", 1, 3, "+s-s", "U..D"},
		{"a pass between strikes breaks the streak", 1, 2, "+s+s+ss", "U.....D"},
		{"own faults do not break a streak of failures", 1, 3, "+-o-o-", "U....D"},
		{"own faults do not break a streak of passes", 3, 1, "+o+o+", "....U"},
		{"own faults alone decide nothing", 1, 1, "ooooo", "....."},
		{"strikes do not hold back recovery", 3, 1, "-+s+s+", "D....U"},
		{"an unknown one gets no second chance", 3, 3, "++-+++", "..D..U"},
		{"what has been up once does", 3, 3, "+++--+---", "..U.....D"},
	}
	letters := map[Transition]byte{None: '.', Up: 'U', Down: 'D'}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := NewActive(Unknown, test.healthyAfter, test.unhealthyAfter)
			var got []byte
			for _, event := range test.history {
				var transition Transition
				a, transition = a.Observe(events[event])
				got = append(got, letters[transition])
			}
			if string(got) != test.want {
				t.Errorf("%s gave %s, want %s", test.history, got, test.want)
			}
		})
	}
}

// An address of a family that this host has not must not serve for ever because
// the error looks like one of ours.
func TestAnAddressThatCantBeReachedFromHere(t *testing.T) {
	unassignable := Result{Err: connectError(syscall.EADDRNOTAVAIL)}
	if a, transition := NewActive(Unknown, 1, 2).Observe(unassignable); transition != Down || a.Verdict() != Unhealthy {
		t.Errorf("an unknown endpoint goes %s", transition)
	}
	up, _ := NewActive(Unknown, 1, 1).Observe(Result{})
	if a, transition := up.Observe(unassignable); transition != None || a.Verdict() != Healthy {
		t.Errorf("one that has been reached goes %s: ports have run out", transition)
	}
}

// TestActiveAgainstHistory compares the machine with what the whole history
// says, for many random histories.
func TestActiveAgainstHistory(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		healthyAfter, unhealthyAfter := 1+random.IntN(4), 1+random.IntN(4)
		a := NewActive(Unknown, healthyAfter, unhealthyAfter)
		var history []byte
		for range 30 {
			event := "++-so"[random.IntN(5)]
			before := a
			a, _ = a.Observe(events[rune(event)])
			// What counts: own faults never do, strikes not on what is down.
			if event == 'o' || event == 's' && before.Verdict() == Unhealthy {
				continue
			}
			history = append(history, event)

			passes, failures := streaks(history)
			want := before.Verdict()
			switch {
			case passes >= healthyAfter:
				want = Healthy
			case failures >= unhealthyAfter, failures > 0 && want == Unknown:
				want = Unhealthy
			}
			if a.Verdict() != want || a.passes != passes || a.failures != failures {
				t.Fatalf("after %s (%d up, %d down): %+v, want %q, streaks %d and %d",
					history, healthyAfter, unhealthyAfter, a, want, passes, failures)
			}
		}
	}
}

// streaks counts the passes, or else the failures, that end history.
func streaks(history []byte) (passes, failures int) {
	for i := len(history) - 1; i >= 0; i-- {
		switch good := history[i] == '+'; {
		case good && failures == 0:
			passes++
		case !good && passes == 0:
			failures++
		default:
			return passes, failures
		}
	}
	return passes, failures
}

func TestTransitionString(t *testing.T) {
	for transition, want := range map[Transition]string{None: "none", Up: "up", Down: "down"} {
		if got := transition.String(); got != want {
			t.Errorf("transition %d is %q, want %q", transition, got, want)
		}
	}
}
