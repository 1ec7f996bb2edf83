package balancer

import (
	"math/bits"
	"slices"
)

// maxLeaf bounds what is copied when one item changes, against the depth of
// the tree.
const maxLeaf = 32

// node is a part of a list: a binary tree, balanced by its leaves, each of
// which holds up to maxLeaf items side by side. It never changes.
//
// A turn goes down the tree. At each fork the left side gets its part of the
// turns, evenly spread: of the first n it has had n·part, rounded, and that is
// also the number of its own next turn. So whose turn it is follows from the
// number of the turn alone, whatever the weights, and a fork depends on nothing
// but what is below it.
type node[T Item[T]] struct {
	sides  [2]*node[T] // left and right; nil in a leaf
	items  []T         // of a leaf; nil in a fork
	equal  uint64      // the share of each item; 0 where they differ
	part   uint64      // of the turns, for the left side, in 1/2^64
	count  uint64      // items
	shares uint64      // their sum
	leaves int
	first  T
	// parts are those of the forks that a leaf stands for, at the index of the
	// first item on their right; nil where all items have equal shares.
	parts []uint64
}

func newLeaf[T Item[T]](items []T) *node[T] {
	n := &node[T]{items: items, first: items[0], count: uint64(len(items)), leaves: 1}
	n.equal = uint64(items[0].Share())
	for _, item := range items {
		share := uint64(item.Share())
		n.shares += share
		if share != n.equal {
			n.equal = 0
		}
	}
	if n.equal == 0 {
		n.parts = make([]uint64, len(items))
		n.divide(0, len(items))
	}
	return n
}

// divide fills in the parts between two items, and returns the sum of their
// shares.
func (n *node[T]) divide(low, high int) uint64 {
	if high-low == 1 {
		return uint64(n.items[low].Share())
	}
	middle := (low + high) / 2
	left := n.divide(low, middle)
	both := left + n.divide(middle, high)
	n.parts[middle] = partOf(left, both)
	return both
}

func newFork[T Item[T]](left, right *node[T]) *node[T] {
	n := &node[T]{
		sides: [2]*node[T]{left, right}, first: left.first,
		count: left.count + right.count, leaves: left.leaves + right.leaves,
		shares: left.shares + right.shares,
	}
	n.part = partOf(left.shares, n.shares)
	if left.equal == right.equal {
		n.equal = left.equal
	}
	return n
}

// partOf returns a/b in 1/2^64, rounded up. a is less than b.
func partOf(a, b uint64) uint64 {
	part, rest := bits.Div64(a, 0, b)
	if rest > 0 {
		part++
	}
	return part
}

// fork tells which way turn n goes, 0 for left and 1 for right, and which turn
// it is there. Nobody can foretell the way, so it is found without a branch.
func fork(n, part uint64) (way, next uint64) {
	whole, rest := bits.Mul64(n, part)
	before := whole + rest>>63
	rest, carry := bits.Add64(rest, part, 0)
	way = 1 - (whole + carry + rest>>63 - before)
	return way, choose(way, before, n-before)
}

// choose returns left for way 0 and right for way 1.
func choose(way, left, right uint64) uint64 { return left ^ (left^right)&-way }

// turn returns the item whose turn it is, and how many it has had before.
func (n *node[T]) turn(turn uint64) (*T, uint64) {
	for n.equal == 0 && n.items == nil {
		way, next := fork(turn, n.part)
		n, turn = n.sides[way&1], next
	}
	if n.equal != 0 {
		return n.at(turn % n.count), turn / n.count
	}
	low, high := uint64(0), n.count
	for high-low > 1 {
		middle := (low + high) / 2
		way, next := fork(turn, n.parts[middle])
		low, high, turn = choose(way, low, middle), choose(way, middle, high), next
	}
	return &n.items[low], turn
}

// at returns the item at an index.
func (n *node[T]) at(i uint64) *T {
	for n.items == nil {
		if left := n.sides[0]; i < left.count {
			n = left
		} else {
			i -= left.count
			n = n.sides[1]
		}
	}
	return &n.items[i]
}

// each yields the items in order until yield returns false, and reports whether
// it never did.
func (n *node[T]) each(yield func(T) bool) bool {
	if n == nil {
		return true
	}
	for _, item := range n.items {
		if !yield(item) {
			return false
		}
	}
	return n.sides[0].each(yield) && n.sides[1].each(yield)
}

// with returns the tree after changes that are in order.
func (n *node[T]) with(changes []Change[T]) *node[T] {
	if len(changes) == 0 {
		return n
	}
	if n == nil {
		return build(merge(nil, changes))
	}
	if n.items != nil {
		return build(merge(n.items, changes))
	}
	i := 0
	for i < len(changes) && changes[i].Item.Compare(n.sides[1].first) < 0 {
		i++
	}
	return join(n.sides[0].with(changes[:i]), n.sides[1].with(changes[i:]))
}

// merge returns the items after changes; both are in order.
func merge[T Item[T]](items []T, changes []Change[T]) []T {
	merged := make([]T, 0, len(items)+len(changes))
	for _, c := range changes {
		for len(items) > 0 && items[0].Compare(c.Item) < 0 {
			merged = append(merged, items[0])
			items = items[1:]
		}
		if len(items) > 0 && items[0].Compare(c.Item) == 0 {
			items = items[1:]
		}
		if !c.Gone {
			merged = append(merged, c.Item)
		}
	}
	return append(merged, items...)
}

// build returns a tree of the items, nil for none.
func build[T Item[T]](items []T) *node[T] {
	switch {
	case len(items) == 0:
		return nil
	case len(items) <= maxLeaf:
		// A leaf of its own memory, lest one item keep all of them alive.
		return newLeaf(slices.Clone(items))
	default:
		middle := len(items) / 2
		return newFork(build(items[:middle]), build(items[middle:]))
	}
}

// join returns a balanced tree of two that are themselves balanced. Where few items
// are left they become one leaf.
func join[T Item[T]](left, right *node[T]) *node[T] {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.count+right.count <= maxLeaf/2:
		items := make([]T, 0, left.count+right.count)
		for _, leaf := range right.gather(left.gather(nil)) {
			items = append(items, leaf.items...)
		}
		return newLeaf(items)
	case left.leaves > 3*right.leaves || right.leaves > 3*left.leaves:
		leaves := right.gather(left.gather(make([]*node[T], 0, left.leaves+right.leaves)))
		return level(leaves)
	default:
		return newFork(left, right)
	}
}

// gather appends the leaves of the tree in order.
func (n *node[T]) gather(leaves []*node[T]) []*node[T] {
	if n.items != nil {
		return append(leaves, n)
	}
	return n.sides[1].gather(n.sides[0].gather(leaves))
}

// level returns the flattest tree of the leaves.
func level[T Item[T]](leaves []*node[T]) *node[T] {
	if len(leaves) == 1 {
		return leaves[0]
	}
	middle := len(leaves) / 2
	return newFork(level(leaves[:middle]), level(leaves[middle:]))
}
