// Package discovery holds the words in which a service's instances are told:
// what an instance is, what news of it looks like, and what every source of
// such news promises.
//
// # The contract of a Source
//
// A source knows where one service's instances come from. [Source.Run] tells
// what it learns by calling publish, one [Update] at a time, from one
// goroutine, until its context ends.
//
//   - A [Set] is complete: it names every instance that the source knows now.
//     An instance that it leaves out is gone. A source never publishes part of
//     an answer, and never a Set it has reason to doubt. Where it is not sure
//     that an instance is gone, the Set names it still, as Held.
//   - "Empty" is not "failed". A source that could not learn the truth
//     publishes [Failed] and keeps trying; the last Set stays in force. An
//     empty Set says that the service truly has no instances.
//   - [Unchanged] says that the source has just heard that the last Set still
//     holds. It keeps the age of the knowledge young and costs no work.
//   - A Set whose content equals the last one is published as Unchanged.
//   - [Kept] stands in for a Set that has not come yet. A source publishes it
//     once at most, and before any Set.
//   - publish may block while its receiver is busy: that is how bursts are
//     coalesced. A source must therefore be able to skip to the newest state.
//   - What one instance has wrong leaves out that instance, as a [Rejected]
//     with a reason, never the others.
//   - Run returns only when its context is done; there is no failure that a
//     source gives up on.
package discovery

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Source tells the instances of one service. See the package comment for what
// an implementation promises.
type Source interface {
	// Run publishes updates until ctx is done, then returns. publish must be
	// called from one goroutine at a time and not after Run has returned.
	Run(ctx context.Context, publish func(Update))
}

// Recall returns what was known of a service before a source has told anything:
// the instances that another told last, or those of a snapshot, in ascending
// order of ID; none where nothing was known. It may be called at any time, and
// from several goroutines.
type Recall func() []Instance

// Kind is the kind of news that an [Update] brings.
type Kind uint8

const (
	// Set replaces everything known before with Instances.
	Set Kind = iota
	// Unchanged confirms the last Set.
	Unchanged
	// Failed says that the truth could not be learned; Err says why. The last
	// Set stays in force.
	Failed
	// Kept is a Set of earlier, of which it is not known whether it still holds.
	Kept
)

// Update is one piece of news from a [Source]. Nobody changes what is in it once
// it is published: the Tags and Meta of an instance that has not changed may be
// those of the Set before.
type Update struct {
	Kind      Kind
	Instances []Instance    // Set and Kept; in ascending order of ID, each ID once
	Rejected  []Rejected    // Set only; what was left out, and why
	Err       error         // Failed only
	Age       time.Duration // Kept only: for how long it has not been confirmed
}

// Instance is one running copy of a service, as its source describes it.
type Instance struct {
	// ID identifies the instance for as long as it is registered: everything
	// learned about it is kept under this ID, while its address may change.
	ID string
	// Name is what people call the instance: the service ID in Consul.
	Name string
	// Address is host:port, the host a name or an IP literal (IPv6 in
	// brackets).
	Address string
	// Weight is its share of the traffic relative to the others; 0 means none.
	Weight int
	// Status is what its source thinks of it.
	Status Status
	// Held instances are missing in what the source has heard last, but it does
	// not believe yet that they are gone. They serve on.
	Held bool
	// Node, Datacenter, Tags and Meta describe the instance; they may be empty.
	// Meta has what is known of the node, too.
	Node       string
	Datacenter string
	Tags       []string
	Meta       map[string]string
}

// HasTags reports whether tags has all that are wanted.
func HasTags(tags, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(tag string) bool { return !slices.Contains(tags, tag) })
}

// Equal reports whether both describe the same in the same way. It allocates
// nothing.
func (i *Instance) Equal(o *Instance) bool {
	return i.ID == o.ID && i.Name == o.Name && i.Address == o.Address &&
		i.Weight == o.Weight && i.Status == o.Status && i.Held == o.Held &&
		i.Node == o.Node && i.Datacenter == o.Datacenter &&
		slices.Equal(i.Tags, o.Tags) && maps.Equal(i.Meta, o.Meta)
}

// Rejected is an instance that can't be used, and why.
type Rejected struct {
	ID     string
	Name   string
	Reason string
}

// Status is a source's own verdict on an instance, from best to worst.
type Status uint8

const (
	// Passing instances get traffic.
	Passing Status = iota
	// Warning instances get traffic by the weight their source gives them.
	Warning
	// Critical instances get no new request.
	Critical
	// Maintenance instances get no new request and never serve as a last
	// resort.
	Maintenance
)

// String returns the status in the words of Consul's API.
func (s Status) String() string {
	switch s {
	case Passing:
		return "passing"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	default:
		return "maintenance"
	}
}
