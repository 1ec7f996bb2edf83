package main

import (
	"slices"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	tests := []struct {
		values []float64
		want   spread
	}{
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{3, 1}, spread{1, 2, 3}},
		{[]float64{9, 1, 2}, spread{1, 2, 9}},
		{[]float64{4, 3, 2, 100}, spread{2, 3.5, 100}},
	}
	for _, tt := range tests {
		before := slices.Clone(tt.values)
		if got := spreadOf(tt.values); got != tt.want {
			t.Errorf("spread of %v: got %v, want %v", tt.values, got, tt.want)
		}
		if !slices.Equal(tt.values, before) {
			t.Errorf("%v became %v: rounds must keep their order", before, tt.values)
		}
	}
}

func TestRatios(t *testing.T) {
	tests := []struct{ ours, theirs, want []float64 }{
		{[]float64{2, 9}, []float64{4, 3}, []float64{0.5, 3}},
		// A run that was stopped may lack the last round of one of them.
		{[]float64{2, 9, 1}, []float64{4, 3}, []float64{0.5, 3}},
		{[]float64{2}, nil, []float64{}},
	}
	for _, tt := range tests {
		if got := ratios(tt.ours, tt.theirs); !slices.Equal(got, tt.want) {
			t.Errorf("%v over %v: got %v, want %v", tt.ours, tt.theirs, got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	tests := []struct {
		name   string
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{"none", nil, 0.5, 0},
		{"one, median", hundred[:1], 0.5, 1},
		{"one, 99", hundred[:1], 0.99, 1},
		{"two, median", hundred[:2], 0.5, 1},
		{"three, median", hundred[:3], 0.5, 2},
		{"hundred, 0", hundred, 0, 1},
		{"hundred, median", hundred, 0.5, 50},
		{"hundred, 99", hundred, 0.99, 99},
		{"hundred, all", hundred, 1, 100},
		{"ten, 99 is the largest", hundred[:10], 0.99, 10},
	}
	for _, tt := range tests {
		if got := percentile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// In as many rounds as there are items, each stands in each place once.
func TestRotate(t *testing.T) {
	items := []string{"a", "b", "c"}
	seen := map[string][]int{}
	for n := range 6 {
		got := rotate(items, n)
		if len(got) != len(items) {
			t.Fatalf("rotate by %d: got %v", n, got)
		}
		for place, item := range got {
			seen[item] = append(seen[item], place)
		}
	}
	want := map[string][]int{"a": {0, 2, 1, 0, 2, 1}, "b": {1, 0, 2, 1, 0, 2}, "c": {2, 1, 0, 2, 1, 0}}
	for item, places := range want {
		if !slices.Equal(seen[item], places) {
			t.Errorf("%s stands in the places %v, want %v", item, seen[item], places)
		}
	}
	if got := rotate[string](nil, 3); len(got) != 0 {
		t.Errorf("rotate of nothing: got %v", got)
	}
	if !slices.Equal(items, []string{"a", "b", "c"}) {
		t.Errorf("the items became %v", items)
	}
}
