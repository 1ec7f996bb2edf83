package balancer

import (
	"iter"
	"slices"
)

// Item is what a [List] holds.
type Item[T any] interface {
	// Compare is negative when the item comes before the other, and 0 when one
	// takes the place of the other.
	Compare(T) int
	// Share is the part of the turns that the item gets, relative to the
	// others; at least 1.
	Share() int
}

// List is an immutable list of items in order. A new version of it shares with
// the old one all but what changed, so that one change among thousands costs a
// few small blocks of memory. The zero List is empty. It is safe for concurrent
// use.
type List[T Item[T]] struct {
	root *node[T] // nil when empty
}

// Change puts Item in the place of its equal, or among the others where there
// is none; with Gone set it removes the equal.
type Change[T Item[T]] struct {
	Item T
	Gone bool
}

// NewList returns a list of the items, in whatever order they come.
func NewList[T Item[T]](items ...T) List[T] {
	changes := make([]Change[T], len(items))
	for i, item := range items {
		changes[i].Item = item
	}
	return List[T]{}.With(changes)
}

// With returns the list after the changes, which it sorts. Where an item goes and
// an equal one comes, that is in the list. What With allocates is in proportion
// to the number of changes.
func (l List[T]) With(changes []Change[T]) List[T] {
	slices.SortFunc(changes, func(a, b Change[T]) int { return a.Item.Compare(b.Item) })
	return l.with(changes)
}

// with is With for changes that are in order.
func (l List[T]) with(changes []Change[T]) List[T] { return List[T]{l.root.with(changes)} }

// Len returns the number of items.
func (l List[T]) Len() int {
	if l.root == nil {
		return 0
	}
	return int(l.root.count)
}

// All yields the items in order.
func (l List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) { l.root.each(yield) }
}

// find returns the item's equal in the list, nil where there is none.
func (l List[T]) find(item T) *T {
	n := l.root
	for n != nil && n.items == nil {
		if right := n.sides[1]; item.Compare(right.first) < 0 {
			n = n.sides[0]
		} else {
			n = right
		}
	}
	if n != nil {
		if i, found := slices.BinarySearchFunc(n.items, item, T.Compare); found {
			return &n.items[i]
		}
	}
	return nil
}
