package main

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		line string
		want procStat
		ok   bool
	}{
		{"42 (nginx) S 7 42 42 0 -1 4194560 1 0 0 0 11 22 0 0 20 0 1 0 5 6 7\n", procStat{42, 7}, true},
		{"42 (a b) c) R (7) ) S 9 1 2 3\n", procStat{42, 9}, true},
		{"42 () Z 1\n", procStat{42, 1}, true},
		{"", procStat{}, false},
		{"42 nginx S 7", procStat{}, false},
		{"42 )nginx( S 7", procStat{}, false},
		{"42 (nginx)", procStat{}, false},
		{"42 (nginx) S", procStat{}, false},
		{"42 (nginx) S x 1", procStat{}, false},
		{"x (nginx) S 7 1", procStat{}, false},
	}
	for _, tt := range tests {
		got, err := parseStat([]byte(tt.line))
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, %v", tt.line, got, err, tt.want, tt.ok)
		}
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestTree(t *testing.T) {
	proc := fstest.MapFS{
		"1/stat":    file("1 (init) S 0 1"),
		"20/stat":   file("20 (nginx) S 1 20"), // the master
		"21/stat":   file("21 (nginx) S 20 20"),
		"122/stat":  file("122 (nginx) S 20 20"),
		"23/stat":   file("23 (helper) S 21 20"), // a worker's own child
		"30/stat":   file("30 (haproxy) S 1 30"),
		"self/stat": file("not a number, not looked at"),
		"31/status": file("of no interest"),
	}
	tests := []struct {
		root int
		want []int
	}{
		{20, []int{20, 21, 122, 23}},
		{30, []int{30}},
		{99, []int{99}}, // gone: whoever reads its time is told so
	}
	for _, tt := range tests {
		got, err := tree(proc, tt.root)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("tree of %d: got %v, %v, want %v", tt.root, got, err, tt.want)
		}
	}
	proc["40/stat"] = file("nonsense")
	if got, err := tree(proc, 20); err == nil {
		t.Errorf("a /proc that can't be read: got %v and no error", got)
	}
}

// Processes end while one looks: a stat file can be listed and then be gone.
func TestTreeWithoutOneThatEnds(t *testing.T) {
	proc := endingFS{fstest.MapFS{"20/stat": file("20 (a) S 1 20"), "21/stat": file("21 (b) S 20 20")}, "21/stat"}
	if got, err := tree(proc, 20); err != nil || !slices.Equal(got, []int{20}) {
		t.Errorf("got %v, %v", got, err)
	}
}

type endingFS struct {
	fstest.MapFS
	ended string
}

func (f endingFS) ReadFile(name string) ([]byte, error) {
	if name == f.ended {
		return nil, fs.ErrNotExist
	}
	return f.MapFS.ReadFile(name)
}

const rollup = `55d5c1a00000-7ffd2a7f2000 ---p 00000000 00:00 0                          [rollup]
Rss:                8392 kB
Pss:                4077 kB
Pss_Dirty:          1504 kB
Pss_Anon:           1384 kB
Shared_Clean:       5304 kB
`

func TestMemory(t *testing.T) {
	proc := fstest.MapFS{"20/smaps_rollup": file(rollup), "21/smaps_rollup": file("Pss: 3 kB\n"), "22/smaps_rollup": file("")}
	tests := []struct {
		pids []int
		want int64
		ok   bool
	}{
		{[]int{20}, 4077 << 10, true},
		{[]int{20, 21}, 4080 << 10, true},
		{[]int{22}, 0, false},
		{[]int{20, 99}, 0, false},
	}
	for _, tt := range tests {
		if got, err := memory(proc, tt.pids); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("memory of %v: got %d, %v, want %d", tt.pids, got, err, tt.want)
		}
	}
}
