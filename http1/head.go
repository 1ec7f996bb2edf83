package http1

// Framing says how the end of a body is found (RFC 9112 §6.3).
type Framing uint8

const (
	// NoBody is a message that ends with its head.
	NoBody Framing = iota
	// Sized is a body of Length bytes, which may be none.
	Sized
	// Chunked is a body in the chunked coding; a [ChunkDecoder] finds its end.
	Chunked
	// UntilClose is the body of a response that ends when its connection does.
	UntilClose
)

// Head is what the heads of requests and responses have in common.
type Head struct {
	// Minor is that of the version HTTP/1.Minor, 0 or 1.
	Minor int
	// Header has the fields in their order, with their names as they came.
	Header Header
	// Present tells which known names Header has.
	Present IDs
	// Framing and Length say where the body ends. Length is 0 without a body
	// and -1 where only the body itself tells. Whoever forwards a body writes
	// its framing from these: a response may have had equal Content-Lengths.
	Framing Framing
	Length  int64
	// KeepAlive is whether the sender lets the connection be used again.
	KeepAlive bool
	// Upgrade is the protocol that the sender wants to change to, "" for none
	// (RFC 9110 §7.8). h2c is passed over: it would hide requests from us.
	Upgrade string
	// Nominates is whether Connection names fields that are to be dropped
	// beside those that every intermediary drops (RFC 9110 §7.6.1).
	Nominates bool

	scan cursor
}

// notes are what a look at the fields found for the rules about a whole head.
type notes struct {
	hosts            int    // fields named Host
	host             string // the value of the first
	lengths          int    // fields named Content-Length
	length           string // the value of the first
	differ           bool   // and another has another value
	codings          int    // fields named Transfer-Encoding
	coding           string // the value of the first
	close, keepAlive bool   // options of Connection
	upgrade          bool   // option of Connection
}

// survey goes over the fields once, and fills in what needs no rule.
func (h *Head) survey() (n notes) {
	for i := range h.Header {
		f := &h.Header[i]
		h.Present.add(f.ID)
		switch f.ID {
		case Host:
			if n.hosts++; n.hosts == 1 {
				n.host = f.Value
			}
		case ContentLength:
			if n.lengths++; n.lengths == 1 {
				n.length = f.Value
			}
			n.differ = n.differ || f.Value != n.length
		case TransferEncoding:
			if n.codings++; n.codings == 1 {
				n.coding = f.Value
			}
		case Connection:
			h.options(f.Value, &n)
		}
	}
	return n
}

// options reads the options of a connection (RFC 9110 §7.6.1).
func (h *Head) options(list string, n *notes) {
	for option, rest := member(list); option != ""; option, rest = member(rest) {
		switch {
		case equalFold(option, "close"):
			n.close = true
		case equalFold(option, "keep-alive"):
			n.keepAlive = true
		case equalFold(option, "upgrade"):
			n.upgrade = true
		case !equalFold(option, "te"):
			h.Nominates = true
		}
	}
}

// persists tells whether the connection may be used again (RFC 9112 §9.3).
func (h *Head) persists(n *notes) bool {
	return !n.close && (h.Minor == 1 || n.keepAlive)
}

// protocol returns the first protocol to upgrade to that may be passed on.
// HTTP/1.0 has no upgrades, and they need the option of the connection (RFC 9110
// §7.8).
func (h *Head) protocol(n *notes) string {
	if h.Minor == 0 || !n.upgrade || !h.Present.Has(Upgrade) {
		return ""
	}
	for _, f := range h.Header {
		if f.ID != Upgrade {
			continue
		}
		for p, rest := member(f.Value); p != ""; p, rest = member(rest) {
			if !equalFold(p, "h2c") {
				return p
			}
		}
	}
	return ""
}
