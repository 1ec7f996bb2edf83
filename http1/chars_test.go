package http1

import (
	"strings"
	"testing"
)

// RFC 9110 §5.6.2
func TestTokenBytes(t *testing.T) {
	const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		want := strings.IndexByte(tchar, byte(c)) >= 0
		if got := isToken(string([]byte{byte(c)})); got != want {
			t.Errorf("%#x is a token: %v, want %v", c, got, want)
		}
	}
	if isToken("") {
		t.Error("nothing is a token")
	}
}

// RFC 9110 §5.5: at any place of a value, of any length, each byte is judged
// alike.
func TestTextBytes(t *testing.T) {
	for c := range 256 {
		c := byte(c)
		want := c == '\t' || ' ' <= c && c != 0x7f
		for size := 1; size < 26; size++ {
			for at := range size {
				for _, around := range []string{"a", "\t", "\xff"} {
					b := []byte(strings.Repeat(around, size))
					b[at] = c
					if got := isText(b); got != want {
						t.Fatalf("%q is text: %v, want %v", b, got, want)
					}
				}
			}
		}
	}
	if !isText(nil) {
		t.Error("an empty value is not text")
	}
}

func TestEqualFold(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			x, y := string([]byte{'x', byte(a)}), string([]byte{'X', byte(b)})
			want := a == b || a < 128 && b < 128 && strings.EqualFold(x, y)
			if got := equalFold(x, y); got != want {
				t.Errorf("%q equals %q: %v, want %v", x, y, got, want)
			}
		}
	}
	if equalFold("a", "aa") || equalFold("\u212A", "k") || !equalFold("", "") {
		t.Error("lengths or other letters are not told apart")
	}
}
