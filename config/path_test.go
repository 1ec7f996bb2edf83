package config

import "testing"

func TestParsePath(t *testing.T) {
	testParser(t, parsePath, []parserTest{
		{in: "/", want: "/"},
		{in: "/health", want: "/health"},
		{in: "/health?full=1", want: "/health?full=1"},
		{in: "/a%20b", want: "/a%20b"},
		{in: "health", wrong: `does not start with "/"`, fix: `"/health"`},
		{in: "http://localhost:8081/health", wrong: "is a URL", fix: `"/health"`},
		{in: "http://localhost:8081", wrong: "is a URL", fix: `"/"`},
		{in: "/a b", wrong: "not the path of a URL", fix: "%20"},
		{in: "/a\r\nX: y", wrong: "not the path of a URL", fix: "%20"},
		{in: "/a#b", wrong: "not the path of a URL", fix: `"#"`},
		{in: "/ü", wrong: "not the path of a URL", fix: "%20"},
	})
}

func TestParseHealthPath(t *testing.T) {
	testParser(t, parseHealthPath, []parserTest{
		{in: "/health", want: "/health"},
		{in: "/health?full", wrong: "has a query", fix: `"/health"`},
		{in: "health", wrong: `does not start with "/"`, fix: `"/health"`},
	})
}

// Every prefix that is taken matches some request. Of those that are refused
// none would have, but for patterns: they would match something else than meant.
func TestParsePrefix(t *testing.T) {
	testParser(t, parsePrefix, []parserTest{
		{in: "/", want: "/"},
		{in: "/api", want: "/api"},
		{in: "/api/", want: "/api"},
		{in: "/api/v1", want: "/api/v1"},
		{in: "/my files", want: "/my files"},
		{in: "/bücher", want: "/bücher"},
		{in: "/100%", want: "/100%"},
		{in: "/~user", want: "/~user"},
		{in: "/$metadata", want: "/$metadata"},
		{in: "/api/*", wrong: "is a pattern", fix: `write "/api": a prefix takes everything below it`},
		{in: "/api*", wrong: "is a pattern", fix: `"/api"`},
		{in: "/*", wrong: "is a pattern", fix: `"/"`},
		{in: "*", wrong: "is a pattern", fix: `"/"`},
		{in: "/api/*/users", wrong: "is a pattern", fix: `"/api"`},
		{in: "^/api", wrong: "no regular expression", fix: `"/api"`},
		{in: "~ ^/api/.*$", wrong: "no regular expression", fix: `"/api"`},
		{in: "~/api", wrong: "is a pattern", fix: `"/api"`},
		{in: "/api$", wrong: "is a pattern", fix: `"/api"`},
		{in: "/api/(.*)", wrong: "is a pattern", fix: `"/api"`},
		{in: "", wrong: `does not start with "/"`, fix: `"/"`},
		{in: "api", wrong: `does not start with "/"`, fix: `"/api"`},
		{in: "http://example.com/api", wrong: "is a URL", fix: `"/api"`},
		{in: "/search?q=1", wrong: "has a query", fix: `"/search"`},
		{in: "/api//v1", wrong: "is not how", fix: `"/api/v1"`},
		{in: "/api/../admin", wrong: "is not how", fix: `"/admin"`},
		{in: "/my%20files", wrong: "is not how", fix: `"/my files"`},
		{in: "/a/%2e%2e/b", wrong: "is not how", fix: `"/b"`},
	})
}
