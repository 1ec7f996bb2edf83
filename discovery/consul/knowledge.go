package consul

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
)

// errNoLeader is the error of an answer that Consul gave, and that still is not
// the truth.
var errNoLeader = errors.New("no leader in Consul, so its answer may be old")

// holdFor is how long instances are held that are missing in an answer which
// takes away most of a service. Agents that restart without memory are told of
// their services anew within a second or two.
const holdFor = 3 * time.Second

// knowledge is what a source knows between two requests, and how it learns. It
// does no I/O and reads no clock.
type knowledge struct {
	watch Watch
	hold  time.Duration // holdFor
	index uint64        // to ask with; 0 asks for an answer at once
	told  bool          // there has been a Set
	known bool          // the same, or there is what was known before
	last  listing
	since time.Time // when the first of those was missed that are held; zero: nobody is held
	doubt *doubt    // what is to be asked before anything else; nil for nothing
}

// doubt is what the agent's event stream has said, without some few of very many
// instances. It is believed once these alone were asked for directly: to have
// Consul list all of them again takes it, and us, far longer. Where they were on one
// node, that is asked before: Consul looks through what a node has several times
// faster than through a service and its checks. It has what may have become of them
// looked up only where there are any.
type doubt struct {
	said   listing
	index  uint64 // of the service
	absent listing
	node   string // to be asked first; "" for none
}

// Below many instances an answer takes no longer than a question; and a question
// for more than few takes longer than an answer.
const (
	many = 200
	few  = 8
)

// next returns what to ask.
func (k *knowledge) next(now time.Time) query {
	if d := k.doubt; d != nil {
		if d.node != "" {
			return query{filter: d.absent.filter("ID"), node: d.node}
		}
		return query{filter: d.absent.filter("Service.ID")}
	}
	if !k.holds() {
		return query{index: k.index}
	}
	if left := k.hold - now.Sub(k.since); left > 0 {
		return query{index: k.index, wait: left}
	}
	return query{consistent: true}
}

// holds reports whether there are instances that stay though the latest answer
// doesn't name them.
func (k *knowledge) holds() bool { return !k.since.IsZero() }

// recall takes in what was known before there was an answer, if it was anything.
// Whoever was held then is held still, for as long as anybody is.
func (k *knowledge) recall(before []discovery.Instance, now time.Time) {
	for _, i := range before {
		k.known, k.last = true, append(k.last, &item{instance: i})
		if i.Held {
			k.since = now
		}
	}
}

// learn turns what a query brought into an update. It is not news if nothing can
// be said before Consul is asked once more, which is then due at once.
func (k *knowledge) learn(a answer, err error, now time.Time) (update discovery.Update, isNews bool) {
	doubted := k.doubt
	k.doubt = nil
	if errors.Is(err, errLeaderIsBack) || errors.Is(err, errAnswersAgain) || errors.Is(err, errNewToken) {
		k.index = 0 // nothing has failed: it is to be asked anew
		return discovery.Update{Kind: discovery.Unchanged}, false
	}
	if err == nil {
		err = k.distrust(a)
	}
	if a.asked.node != "" && doubted.isOpen(a, err) {
		doubted.node, k.doubt = "", doubted
		return discovery.Update{Kind: discovery.Unchanged}, false
	}
	if err != nil {
		return k.failed(err), true
	}
	next, reading := nextIndex(a.asked.index, a.meta.LastIndex)
	list := newListing(a.items)
	if a.asked.filter != "" {
		if next, list = doubted.resolve(next, list); next == 0 {
			reading = doubtful
		}
	}
	k.index = next
	if reading == doubtful {
		return discovery.Update{Kind: discovery.Unchanged}, false
	}
	if streamed(a.meta) {
		if lost := k.last.lost(list); reading == same || len(lost) > 0 {
			k.index = 0
			if lost.filter("ID") != "" && len(list) >= many && !k.holds() {
				k.doubt = &doubt{said: list, index: next, absent: lost, node: lost.node()}
			}
			return discovery.Update{Kind: discovery.Unchanged}, false
		}
	}
	if k.told && reading == same {
		return discovery.Update{Kind: discovery.Unchanged}, true
	}
	list = k.believe(list, a.asked.consistent, now)
	if k.told && list.equal(k.last) {
		k.last = list
		return discovery.Update{Kind: discovery.Unchanged}, true
	}
	k.told, k.known, k.last = true, true, list
	return list.update(), true
}

// isOpen reports whether what a node has says nothing of those that were absent from
// the service: they may be there, or be what is kept back, unless that is another
// service. What was said may be of a later change elsewhere than the node's index.
func (d *doubt) isOpen(a answer, err error) bool {
	var status api.StatusError
	switch {
	case errors.As(err, &status):
		return status.Code == http.StatusForbidden || status.Code == http.StatusNotFound // for what is between us and Consul
	case a.meta == nil:
		return false
	default:
		return a.has || a.meta.ResultsFilteredByACLs || err == nil && a.meta.LastIndex < d.index
	}
}

// resolve returns the index to ask with next, and the list to believe, where the
// instances that were absent are in an answer as far as they exist; index 0 where
// that is older than what had been said.
func (d *doubt) resolve(index uint64, exist listing) (uint64, listing) {
	if index < d.index {
		return 0, nil
	}
	list := slices.Concat(d.said, exist.lost(d.said))
	slices.SortStableFunc(list, byID)
	return d.index, list
}

// believe returns what to take for the truth when Consul lists this. If that
// takes away more than one instance and more than half of them, it is the truth
// only if the leader confirms it, and not at once: until then all that are
// missing are held. What comes and what changes is believed either way.
func (k *knowledge) believe(list listing, confirmed bool, now time.Time) listing {
	lost := slices.DeleteFunc(k.last.lost(list), func(i *item) bool { return i.problem != nil })
	switch {
	case len(lost) == 0, confirmed:
		k.since = time.Time{}
		return list
	case k.holds():
	case len(lost) == 1, 2*len(lost) <= k.last.usable():
		return list
	default:
		k.since = now
	}
	for _, i := range lost {
		held := *i
		held.instance.Held = true
		list = append(list, &held)
	}
	slices.SortStableFunc(list, byID)
	return list
}

// failed starts over: after a failure nothing says that the index still means
// what it meant.
func (k *knowledge) failed(err error) discovery.Update {
	k.index = 0
	return discovery.Update{Kind: discovery.Failed, Err: explain(err, k.watch.Service)}
}

// distrust returns why an answer can't be believed, if so.
func (k *knowledge) distrust(a answer) error {
	switch {
	case a.meta.ResultsFilteredByACLs:
		return fmt.Errorf("the ACL token may not see all instances: %s", missingRules(k.watch.Service))
	case !a.meta.KnownLeader && !streamed(a.meta) && (k.known || len(a.items) == 0):
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
