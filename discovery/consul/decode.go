package consul

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/consul/api"
)

// Errors of a body that is no list of instances. Consul writes no such lists, so
// the rest of it isn't believed either.
var (
	errNoList    = errors.New("it is not a list")
	errTrailing  = errors.New("something follows the list")
	errMalformed = errors.New("an instance without node or service in it")
)

// readNode reports whether a node has services, by Consul's answer.
func readNode(body io.Reader) (has bool, err error) {
	var answer struct{ Services []jsontext.Value }
	if err := json.UnmarshalRead(body, &answer, lenient); err != nil {
		return false, err
	}
	if answer.Services == nil {
		return false, errNoList
	}
	return len(answer.Services) > 0, nil
}

// entry is an element of an answer, in Consul's words, with those fields alone
// that are judged here.
type entry struct {
	Node    *node
	Service *service
	Checks  []*check
}

type node struct {
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
}

type service struct {
	ID              string
	Namespace       string
	Address         string
	Port            int
	Ports           api.ServicePorts
	TaggedAddresses map[string]api.ServiceAddress
	Tags            []string
	Meta            map[string]string
	Weights         api.AgentWeights
}

type check struct {
	CheckID string
	Status  string
}

// lenient takes what Consul lets people register, and looks for nothing that
// would take time and not change what is read.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// buffers are for reading an answer: one as large as an element, and one for
// few reads from the connection.
type buffers struct {
	decoder jsontext.Decoder
	ahead   *bufio.Reader
}

var pool = sync.Pool{New: func() any { return &buffers{ahead: bufio.NewReaderSize(nil, 64<<10)} }}

// reader reads the answers to the queries of one source. Nearly all elements of
// an answer were in the one before, so it remembers them by the hash of their
// text: what has not changed is neither decoded nor judged again, and keeps its
// item.
type reader struct {
	watch Watch
	seed  maphash.Seed
	items map[fingerprint]*item // of the last answer that had all
}

// fingerprint stands for the text of an element. Texts that differ have the
// same once in 2⁶⁴, and nobody can know which.
type fingerprint struct {
	hash uint64
	size int
}

func newReader(w Watch) *reader { return &reader{watch: w, seed: maphash.MakeSeed()} }

// read returns the items of an answer in its order, which has all of them or, if it
// is selected, some. It reads element by element and to the end, so that the
// connection can be used again.
func (r *reader) read(body io.Reader, selected bool) ([]*item, error) {
	b := pool.Get().(*buffers)
	defer pool.Put(b)
	b.ahead.Reset(body)
	decoder := &b.decoder
	decoder.Reset(b.ahead, lenient)
	switch token, err := decoder.ReadToken(); {
	case err != nil:
		return nil, err
	case token.Kind() != jsontext.KindBeginArray:
		return nil, fmt.Errorf("%w but %v", errNoList, token.Kind())
	}
	likely := len(r.items)
	if selected {
		likely = 0
	}
	list := make([]*item, 0, likely)
	items := make(map[fingerprint]*item, likely)
	for decoder.PeekKind() != jsontext.KindEndArray {
		text, err := decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		key := fingerprint{maphash.Bytes(r.seed, text), len(text)}
		i := r.items[key]
		if i == nil {
			i = items[key] // where it stands twice
		}
		if i == nil {
			var e *entry
			if err := json.Unmarshal(text, &e, lenient); err != nil {
				return nil, err
			}
			if e == nil || e.Node == nil || e.Service == nil {
				return nil, errMalformed
			}
			i = convert(r.watch, e)
		}
		items[key] = i
		list = append(list, i)
	}
	if _, err := decoder.ReadToken(); err != nil {
		return nil, err
	}
	switch _, err := decoder.ReadToken(); {
	case err == nil:
		return nil, errTrailing
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if !selected {
		r.items = items
	}
	return list, nil
}
