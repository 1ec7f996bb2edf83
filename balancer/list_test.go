package balancer

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// item is an item of a list of no use but to be looked at.
type item struct {
	key   string
	share int
}

func (i item) Compare(o item) int { return cmp.Compare(i.key, o.key) }
func (i item) Share() int         { return i.share }

// check holds the invariants of a tree.
func check[T Item[T]](t *testing.T, n *node[T]) {
	t.Helper()
	if n.items != nil {
		if n.count != uint64(len(n.items)) || n.count > maxLeaf || n.leaves != 1 {
			t.Fatalf("a leaf of %d items counts %d", len(n.items), n.count)
		}
		return
	}
	left, right := n.sides[0], n.sides[1]
	check(t, left)
	check(t, right)
	if n.count <= maxLeaf/2 || n.count != left.count+right.count || n.shares != left.shares+right.shares || n.first.Compare(left.first) != 0 {
		t.Fatalf("a fork of %d and %d items counts %d", left.count, right.count, n.count)
	}
	if n.leaves > 4 && max(left.leaves, right.leaves) > 3*min(left.leaves, right.leaves) {
		t.Fatalf("a fork of %d and %d leaves", left.leaves, right.leaves)
	}
}

// Random changes, one or many at a time, leave the list as they leave a map;
// and former versions never change.
func TestListIsAsTheChangesSay(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	model := map[string]int{}
	var list List[item]
	for round := range 600 {
		var changes []Change[item]
		for range 1 + random.IntN(1+round%70) {
			it := item{strconv.Itoa(random.IntN(900)), 1 + random.IntN(3)}
			if slices.ContainsFunc(changes, func(c Change[item]) bool { return c.Item.key == it.key }) {
				continue
			}
			gone := random.IntN(10) < 3+round/150*2 // grows, and shrinks in the end
			changes = append(changes, Change[item]{it, gone})
			if gone {
				delete(model, it.key)
			} else {
				model[it.key] = it.share
			}
		}
		former, before := list, slices.Collect(list.All())
		list = list.With(changes)
		if after := slices.Collect(former.All()); !slices.Equal(before, after) {
			t.Fatalf("round %d: the former version changed", round)
		}
		if list.root != nil {
			check(t, list.root)
		}
		previous := ""
		for it := range list.All() {
			if share, known := model[it.key]; !known || share != it.share || it.key <= previous {
				t.Fatalf("round %d: holds %v after %q, want share %d (%v)", round, it, previous, share, known)
			}
			previous = it.key
		}
		if list.Len() != len(model) {
			t.Fatalf("round %d: %d items, want %d", round, list.Len(), len(model))
		}
	}
}
