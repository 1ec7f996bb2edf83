package consul

import (
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
)

// Errors of an answer that Consul gave, and that still is not the truth.
var (
	errNull     = errors.New("the answer is null and not a list")
	errNoLeader = errors.New("no leader in Consul, so its answer may be old")
)

// knowledge is what a source knows between two requests, and how it learns. It
// does no I/O and reads no clock.
type knowledge struct {
	watch Watch
	index uint64 // to ask with; 0 asks for an answer at once
	known bool   // there has been a Set
	last  listing
}

// learn turns what a request brought into an update. It is not news if nothing
// can be said before Consul is asked once more, which is then due at once.
//
// An answer that is doubtful for another reason than these, such as one that is
// much shorter than the last, could be held and confirmed here in the same way.
func (k *knowledge) learn(entries []*api.ServiceEntry, meta *api.QueryMeta, err error) (update discovery.Update, isNews bool) {
	if err == nil {
		err = k.distrust(entries, meta)
	}
	if err != nil {
		return k.failed(err), true
	}
	next, reading := nextIndex(k.index, meta.LastIndex)
	k.index = next
	if reading == doubtful {
		return discovery.Update{Kind: discovery.Unchanged}, false
	}
	now, err := convert(k.watch, entries)
	switch {
	case err != nil:
		return k.failed(err), true
	case streamed(meta) && (reading == same || now.lacksAnyOf(k.last)):
		k.index = 0
		return discovery.Update{Kind: discovery.Unchanged}, false
	case k.known && (reading == same || now.equal(k.last)):
		return discovery.Update{Kind: discovery.Unchanged}, true
	}
	// The receiver owns what it gets, so a copy is kept to compare with.
	k.known, k.last = true, now.clone()
	return discovery.Update{Kind: discovery.Set, Instances: now.instances, Rejected: now.rejected}, true
}

// failed starts over: after a failure nothing says that the index still means
// what it meant.
func (k *knowledge) failed(err error) discovery.Update {
	k.index = 0
	return discovery.Update{Kind: discovery.Failed, Err: explain(err, k.watch.Service)}
}

// distrust returns why an answer can't be believed, if so.
func (k *knowledge) distrust(entries []*api.ServiceEntry, meta *api.QueryMeta) error {
	switch {
	case entries == nil:
		return errNull
	case meta.ResultsFilteredByACLs:
		return fmt.Errorf("the ACL token may not see all instances: %s", missingRules(k.watch.Service))
	case !meta.KnownLeader && !streamed(meta) && (k.known || len(entries) == 0):
		// To a source that knows nothing yet, old instances are better than none.
		return errNoLeader
	}
	return nil
}

// streamed reports whether the agent answered from its event stream, as agents
// do for blocking queries by default. Such an answer never names a leader and
// never says that access control has kept something back; to a token that does
// not exist it is an empty list, and from an agent that has lost its servers it
// is the list of then. So it is believed in what it adds, and anything else is
// asked for directly, which a query with index 0 is.
func streamed(meta *api.QueryMeta) bool {
	return meta.QueryBackend == api.QueryBackendStreaming
}

// reading says what the index of an answer tells about the answer.
type reading int

const (
	fresh    reading = iota // compare it with what is known
	same                    // it is what is known
	doubtful                // ask again
)

// nextIndex returns the index to ask with after an answer with index got to a
// request with index sent. The rules are those of Consul's documentation of
// blocking queries ("Implementation Details").
func nextIndex(sent, got uint64) (uint64, reading) {
	switch {
	case got < sent && (got > 0 || sent > 1):
		// A server was restored, or lags behind: what it says may be old, and
		// waiting for the old index may take for ever.
		return 0, doubtful
	case got == 0:
		// Not a valid index, so it tells nothing; asking with it would not block.
		return 1, fresh
	case got == sent:
		return got, same
	default:
		return got, fresh
	}
}
