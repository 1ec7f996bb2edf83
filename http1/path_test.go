package http1

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

var paths = []struct{ name, in, want string }{
	{"RFC 3986 §3.3: the root", "/", "/"},
	{"RFC 3986 §3.3: all that a segment may hold", "/aZ09-._~!$&'()*+,=:@/", "/aZ09-._~!$&'()*+,=:@/"},
	{"RFC 3986 §3.3: dots in names", "/.a/..a/a./a../.../", "/.a/..a/a./a../.../"},
	{"RFC 9112 §3.2.4: asterisk-form is no path", "*", "*"},
	{"RFC 9112 §3.2.3: nor is authority-form", "", ""},

	{"RFC 3986 §6.2.2.1: escapes in lower case", "/%c3%A4%aF%Fa", "/%C3%A4%AF%FA"},
	{"RFC 3986 §6.2.2.2: unreserved characters", "/%61%7e%2D", "/a~-"},
	{"RFC 3986 §6.2.2.2: a slash's neighbours", "/%2e%30", "/.0"},
	{"RFC 3986 §2.2: what is no delimiter in a path", "/%21%40%2b", "/!@+"},
	{"RFC 3986 §2.4: nothing is decoded twice", "/%2561%25%32%65", "/%2561%252e"},
	{"RFC 3986 §2.1: what browsers don't escape", "/a\"<>[]^`{|}", "/a%22%3C%3E%5B%5D%5E%60%7B%7C%7D"},
	{"RFC 3986 §2.1: what only a configuration may have", "/b c\xc3\xbc?#\x7f", "/b%20c%C3%BC%3F%23%7F"},
	{"RFC 3986 §2.1: control characters stay encoded", "/%0d%0A%7f%ff", "/%0D%0A%7F%FF"},

	{"RFC 3986 §5.2.4: one dot", "/a/./b", "/a/b"},
	{"RFC 3986 §5.2.4: two dots", "/a/b/../c", "/a/c"},
	{"RFC 3986 §5.2.4: many", "/a/b/c/./../../g", "/a/g"},
	{"RFC 3986 §5.2.4: beyond the root", "/../../a", "/a"},
	{"RFC 3986 §5.2.4: one dot at the end", "/a/.", "/a/"},
	{"RFC 3986 §5.2.4: two dots at the end", "/a/b/..", "/a/"},
	{"RFC 3986 §5.2.4: to the root", "/a/..", "/"},
	{"RFC 3986 §5.2.4: only dots", "/..", "/"},
	{"RFC 3986 §6.2.2.3: encoded dots", "/a/%2e%2E/b/%2e/c/.%2e", "/b/"},
	{"RFC 3986 §3.3: two slashes", "//a//b", "/a/b"},
	{"RFC 3986 §3.3: slashes at the end", "/a//", "/a/"},
	{"RFC 3986 §3.3: only slashes", "///", "/"},
	{"RFC 3986 §3.3: slashes are merged before dots", "/a//../b", "/b"},
	{"RFC 3986 §3.3: slashes behind dots", "/./a//b", "/a/b"},

	{"RFC 3986 §2.2: an encoded slash", "/a%2Fb", "/a%2Fb"},
	{"RFC 3986 §2.2: in lower case", "/a%2fb", "/a%2Fb"},
	{"RFC 3986 §2.2: an encoded backslash", "/a%5cb", "/a%5Cb"},
	{"RFC 3986 §2.2: a backslash", "/a\\b", "/a%5Cb"},
	{"RFC 3986 §2.2: a slash encoded twice is none", "/a%252fb", "/a%252fb"},
	{"RFC 3986 §3.3: parameters", "/a;b=c/d;e", "/a;b=c/d;e"},
	{"RFC 3986 §3.3: an encoded semicolon", "/a%3bb", "/a%3Bb"},

	{"RFC 3986 §5.2.4: dots with parameters", "/a/..;/b", "/a/..;/b"},
	{"RFC 3986 §5.2.4: a dot with parameters", "/a/.;b=c", "/a/.;b=c"},
	{"RFC 3986 §5.2.4: encoded dots with encoded parameters", "/%2e.%3b", "/..%3B"},
	{"RFC 3986 §5.2.4: dots in parameters", "/a;../b;.", "/a;../b;."},
	{"RFC 3986 §5.2.4: dots before an encoded slash", "/a/..%2fb", "/a/..%2Fb"},
	{"RFC 3986 §5.2.4: dots behind an encoded slash", "/a%2f../b", "/a%2F../b"},
	{"RFC 3986 §5.2.4: dots behind a backslash", "/a\\..", "/a%5C.."},
	{"RFC 3986 §5.2.4: dots between encoded slashes", "/a%2f%2e%2e%2fb", "/a%2F..%2Fb"},
	{"RFC 3986 §5.2.4: dots behind parameters behind a slash", "/a;b%2f..", "/a;b%2F.."},
	{"RFC 3986 §5.2.4: three dots", "/...;/.../a%2f...", "/...;/.../a%2F..."},
	{"RFC 3986 §5.2.4: what dots take away", "/a%2fb/../c;d/../e", "/e"},
	{"RFC 3986 §5.2.4: dots that are no secret", "/a%2fb/../c;d/./%2e", "/c;d/"},
	{"RFC 3986 §5.2.4: everything at once", "//a/%2e/b%2fc;d/./%7B", "/a/b%2Fc;d/%7B"},
}

func TestNormalPath(t *testing.T) {
	for _, tt := range paths {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NormalPath(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("got %q, %v, want %q", got, err, tt.want)
			}
			if again, err := NormalPath(got); err != nil || again != got {
				t.Errorf("normal again it is %q, %v", again, err)
			}
			allocates(t, got, func() { _, _ = NormalPath(got) })
		})
	}
}

func TestPathsThatMeanNothing(t *testing.T) {
	for in, want := range map[string]*Error{
		"/a%00b": errPathNUL, "/%00": errPathNUL, "/%00%2f": errPathNUL, "/a\x00b": errPathNUL, "/;%00/..": errPathNUL,
		"/%": errEscape, "/%2": errEscape, "/%2g": errEscape, "/%g2": errEscape, "/a/../%": errEscape, "/%%32": errEscape,
	} {
		if got, err := NormalPath(in); err != want || got != "" {
			t.Errorf("%q: got %q, %v, want %v", in, got, err, want)
		}
	}
}

// FuzzNormalPath holds that a normal path has nothing left to normalise, and
// means what the path meant to a server that decodes and cleans it.
func FuzzNormalPath(f *testing.F) {
	for _, tt := range paths {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := NormalPath(in)
		if err != nil || in == "" || in[0] != '/' {
			return
		}
		if again, err := NormalPath(got); err != nil || again != got {
			t.Errorf("%q is %q, and that is %q, %v", in, got, again, err)
		}
		if got != path.Clean(got) && got != path.Clean(got)+"/" {
			t.Errorf("%q is %q, which can be cleaned", in, got)
		}
		if u, err := url.ParseRequestURI(got); err != nil || u.EscapedPath() != got || u.RawQuery != "" {
			t.Errorf("%q is %q, which is %v to net/url, %v", in, got, u, err)
		}
		if all, _ := respell(in); strings.Contains(string(all), "%2F") || strings.Contains(string(all), "%5C") {
			return // what it means depends on who reads it
		}
		means, err := url.PathUnescape(in)
		if err != nil {
			t.Fatalf("%q is %q, which net/url refuses: %v", in, got, err)
		}
		folder := strings.HasSuffix(means, "/") || strings.HasSuffix(means, "/.") || strings.HasSuffix(means, "/..")
		if means = path.Clean(means); folder && means != "/" {
			means += "/"
		}
		if now, _ := url.PathUnescape(got); now != means {
			t.Errorf("%q is %q, which means %q, want %q", in, got, now, means)
		}
	})
}
