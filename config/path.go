package config

import (
	"cmp"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// checkRooted sees that a path starts with "/".
func checkRooted(s string) error {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		_, after, _ := strings.Cut(rest, "/")
		return faultf("write "+strconv.Quote("/"+after), "%q is a URL, not a path", s)
	}
	if !strings.HasPrefix(s, "/") {
		return faultf("write "+strconv.Quote("/"+s), `%q does not start with "/"`, s)
	}
	return nil
}

// parsePath checks a URL path that may have a query.
func parsePath(s string) (string, error) {
	if err := checkRooted(s); err != nil {
		return "", err
	}
	if strings.ContainsFunc(s, notInURL) || strings.Contains(s, "#") {
		return "", faultf(`write a space as %20, and leave out what follows a "#"`, "%q is not the path of a URL", s)
	}
	return s, nil
}

// checkNoQuery is for a path that is compared with those of requests, which
// come without their query.
func checkNoQuery(s string) error {
	if plain, _, ok := strings.Cut(s, "?"); ok {
		return faultf("write "+strconv.Quote(plain), "%q has a query; only the path is compared", s)
	}
	return nil
}

// parseHealthPath checks a URL path without a query.
func parseHealthPath(s string) (string, error) {
	if err := checkNoQuery(s); err != nil {
		return "", err
	}
	return parsePath(s)
}

// checkNoPattern is for a prefix, which is compared as it stands. Of what
// patterns are written with, "~" and "$" are also parts of real paths, such as
// "/~user" and "/$metadata", so these are refused only where they are not.
func checkNoPattern(s string) error {
	if !strings.ContainsAny(s, "*^") && !strings.HasPrefix(s, "~") && !strings.HasSuffix(s, "$") {
		return nil
	}
	plain, _, _ := strings.Cut(strings.TrimLeft(s, "^~* "), "*")
	plain = path.Clean("/" + strings.TrimRight(plain, "$.(^"))
	return faultf("write "+strconv.Quote(plain)+": a prefix takes everything below it",
		"%q is a pattern; a prefix has no wildcards and is no regular expression", s)
}

// parsePrefix checks the beginning of a path. Those of requests are compared
// decoded, clean and in whole segments, so a prefix that isn't would never
// match, and a "/" at its end makes no difference.
func parsePrefix(s string) (string, error) {
	if err := cmp.Or(checkNoPattern(s), checkNoQuery(s), checkRooted(s)); err != nil {
		return "", err
	}
	clean := path.Clean(s)
	decoded, err := url.PathUnescape(s)
	if err == nil {
		clean = path.Clean(decoded)
	}
	if clean != s && clean+"/" != s {
		return "", faultf("write "+strconv.Quote(clean), "%q is not how the path of a request is compared", s)
	}
	return clean, nil
}

// notInURL reports whether r must be written in another way in a URL (RFC 3986
// §2).
func notInURL(r rune) bool {
	return r <= ' ' || r > '~'
}
