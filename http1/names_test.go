package http1

import (
	"slices"
	"strings"
	"testing"
)

// A name that is added to the list must have a slot of its own.
func TestLookupFindsEveryKnownName(t *testing.T) {
	for id := Host; id < knownNames; id++ {
		name := names[id]
		if name == "" {
			t.Errorf("%d has no name", id)
		}
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := Lookup(spelled); got != id {
				t.Errorf("%q is %d, want %d", spelled, got, id)
			}
		}
		if got := id.String(); got != name {
			t.Errorf("%d is called %q, want %q", id, got, name)
		}
	}
	if knownNames > 64 {
		t.Errorf("%d names do not fit in a set", knownNames)
	}
}

func TestLookup(t *testing.T) {
	tests := []struct {
		name string
		want ID
	}{
		{"", Other}, {"a", Other}, {"te", TE}, {"tee", Other}, {"Hosts", Other}, {"Hots", Other},
		{"hostbd", Other}, {"connectioncx", Other}, // in the slot of the name they begin with
		{"X-Forwarded", Other},
		{"X-Forwarded-", XForwardedOther}, // nobody needs such a name
		{"X-Forwarded-Prefix", XForwardedOther},
		{"x-forwarded-for-", XForwardedOther},
		{"X-Forwarded-Fo", XForwardedOther},
		{"X-Forwarded-Fox", XForwardedOther}, // the last byte alone differs
		{"X-Forwardem-For", Other},

		// RFC 3875 §4.1.18: what backends can't tell from the known name
		{"X_Forwarded_For", XForwardedFor | Alias},
		{"x-forwarded_for", XForwardedFor | Alias},
		{"X_FORWARDED_PREFIX", XForwardedOther | Alias},
		{"content_length", ContentLength | Alias},
		{"Transfer_Encoding", TransferEncoding | Alias},
		{"X_Real_IP", XRealIP | Alias},
		{"Ho_st", Other},

		// What is no tchar must not fold to one.
		{"X\rReal\rIP", Other}, {"Hos\x54", Host}, {"Hos\x14", Other}, {"Hos\xd4", Other},
		{"\u212Aeep-Alive", Other}, {"HTTP\x12-Settings", Other}, {"HTTP2-Settings", HTTP2Settings},
	}
	for _, tt := range tests {
		if got := Lookup(tt.name); got != tt.want {
			t.Errorf("%q is %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIDsOfAliasesAreCalledAsTheKnownName(t *testing.T) {
	if got := (XRealIP | Alias).String(); got != "X-Real-IP" {
		t.Errorf("got %q", got)
	}
	if got := Other.String() + knownNames.String(); got != "" {
		t.Errorf("got %q", got)
	}
}

// Fields keep their order and the spelling of their names.
func TestFieldsAreAsTheyCame(t *testing.T) {
	in := host("/", "b: 1", "A: 2", "b: 3", "X_Forwarded_For: 4", "COOKIE: 5", "cookie:", "Accept: 6\t,  7")
	want := Header{
		{"Host", "a", Host}, {"b", "1", Other}, {"A", "2", Other}, {"b", "3", Other},
		{"X_Forwarded_For", "4", XForwardedFor | Alias}, {"COOKIE", "5", Cookie}, {"cookie", "", Cookie},
		{"Accept", "6\t,  7", Other},
	}
	var r Request
	inAnyPieces(in, func(how string, ends ...int) {
		if _, err := arrive(r.Parse, &defaults, in, ends...); err != nil || !slices.Equal(r.Header, want) {
			t.Fatalf("%s: got %q, %v, want %q", how, r.Header, err, want)
		}
	})
	for id := range knownNames {
		if got, want := r.Present.Has(id), id == Host || id == Cookie || id == Other; got != want {
			t.Errorf("%v is present: %v, want %v", id, got, want)
		}
	}
	if r.Present.Has(XForwardedFor | Alias) {
		t.Error("an alias is present")
	}
}

// A reused Request keeps nothing of the one before.
func TestARequestForgets(t *testing.T) {
	var r, fresh Request
	full := request("OPTIONS http://b?c HTTP/1.0", "Host: a", "Expect: x", "Connection: keep-alive, b", "Content-Length: 5", "Via: c")
	for _, before := range []string{full, full[:len(full)-2], full + "x", "GET / HTTP/1.1\n", "\r\n\r\n"} {
		for _, in := range []string{host("/"), request("GET / HTTP/1.0")} {
			if _, _ = r.Parse([]byte(before), &defaults); before == full[:len(full)-2] {
				r.Reset() // in the middle of a head
			}
			if _, err := r.Parse([]byte(in), &defaults); err != nil {
				t.Fatal(err)
			}
			if _, err := fresh.Parse([]byte(in), &defaults); err != nil {
				t.Fatal(err)
			}
			if got, want := describe(&r), describe(&fresh); got != want || !slices.Equal(r.Header, fresh.Header) || r.Present != fresh.Present {
				t.Errorf("after %q: got %q, want %q", before, got, want)
			}
			fresh = Request{}
		}
	}
}

// One hundred requests in one packet come out one behind the other.
func TestPipelinedRequests(t *testing.T) {
	var in []byte
	for range 100 {
		in = append(in, typical...)
	}
	var r Request
	for i := range 100 {
		n, err := r.Parse(in, &defaults)
		if err != nil || n != len(typical) {
			t.Fatalf("request %d: %d, %v", i, n, err)
		}
		in = in[n:]
	}
	if len(in) > 0 {
		t.Errorf("%d bytes are left", len(in))
	}
}

func FuzzLookup(f *testing.F) {
	for _, name := range names {
		f.Add(name)
		f.Add(strings.ReplaceAll(name, "-", "_"))
	}
	f.Fuzz(func(t *testing.T, name string) {
		want := Other
		hyphens := strings.ReplaceAll(name, "_", "-")
		for id := Host; id < knownNames; id++ {
			if len(name) > 1 && isASCII(name) && strings.EqualFold(hyphens, names[id]) {
				want = id
			}
		}
		prefix := names[XForwardedOther]
		if want == Other && len(name) > len(prefix) && isASCII(name[:len(prefix)]) && strings.EqualFold(hyphens[:len(prefix)], prefix) {
			want = XForwardedOther
		}
		if want != Other && hyphens != name {
			want |= Alias
		}
		if got := Lookup(name); got != want {
			t.Errorf("%q is %d, want %d", name, got, want)
		}
	})
}
