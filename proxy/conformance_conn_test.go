package proxy

import (
	"errors"
	"strings"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// hurry is a listener that does not wait for long.
var hurry = Options{ReadTimeout: 50 * time.Millisecond, WriteTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}

// answers answers the first request with fixed bytes, and goes on.
func answers(text string) func(*testkit.BackendConn) {
	return func(c *testkit.BackendConn) {
		if c.Request() != nil {
			c.Say(text)
			c.Serve()
		}
	}
}

const plain = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

var connectionRows = []clientRow{
	fine("RFC 9112 §9.3", "kept alive", plain, "GET / at x"),
	fine("RFC 9112 §9.3", "keep-alive needs no word", getting("/", "Connection: keep-alive"), "GET / at x"),
	fine("RFC 9112 §9.3", "Proxy-Connection is nothing", getting("/", "Proxy-Connection: close"), "GET / at x"),
	{rule: "RFC 9112 §9.6", name: "close", send: getting("/", "Connection: close"), want: "200 close", seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §9.6", name: "close in a list, in upper case", send: getting("/", "Connection: te, CLOSE"), want: "200 close", seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §9.6", name: "close in the second line", send: getting("/", "Connection: keep-alive", "Connection: close"), want: "200 close",
		seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §9.6", name: "close behind a body", send: posting("Connection: close", "Content-Length: 5") + "hello", want: "200 close",
		seen: []string{`POST / at x, sized "hello"`}},
	{rule: "RFC 9112 §9.3", name: "HTTP/1.0", send: "GET / HTTP/1.0\r\nHost: x\r\n\r\n", want: "200 close", seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §9.3", name: "HTTP/1.0 that keeps alive", send: "GET / HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n", want: "200",
		seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §9.3", name: "HTTP/1.0 that keeps alive, and closes", send: "GET / HTTP/1.0\r\nHost: x\r\nConnection: close, keep-alive\r\n\r\n",
		want: "200 close", seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §9.3", name: "HTTP/1.0 with a body, kept alive", send: "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
		want: "200", seen: []string{`POST / at x, sized "hello"`}},
	{rule: "RFC 9112 §6.1", name: "HTTP/1.0 gets no chunks", send: "GET / HTTP/1.0\r\nHost: x\r\n\r\n", want: "200 close", seen: []string{"GET / at x"},
		answer: answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")},
	{rule: "RFC 9112 §6.1", name: "HTTP/1.0 that keeps alive gets no chunks", send: "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
		want: "200 close", seen: []string{"GET / at x"}, answer: answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")},
	{rule: "RFC 9110 §15.2", name: "HTTP/1.0 gets no interim response", send: "GET / HTTP/1.0\r\nHost: x\r\n\r\n", want: "200 close", seen: []string{"GET / at x"},
		answer: answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")},
	{rule: "RFC 9112 §9.3.2", name: "100 requests in one packet", steps: []step{say(strings.Repeat(next, 100))},
		want: strings.Repeat("200 ", 100), seen: repeat("GET /next at x", 100)},
	{rule: "RFC 9112 §9.3.2", name: "what is pipelined behind a mistake is lost", steps: []step{say(next + posting("Content-Length: x") + evil)},
		want: "200 400 close", seen: []string{"GET /next at x"}},
	{rule: "RFC 9112 §9.3.2", name: "bodies of all kinds, pipelined", want: "200 200 200 200", steps: []step{say(
		sized(" 5") + chunking("5\r\nhello\r\n0\r\n\r\n") + plain + sized(" 5"))},
		seen: []string{`POST / at x, sized "hello"`, `POST / at x, chunked "hello"`, "GET / at x", `POST / at x, sized "hello"`}},
	{rule: "RFC 9112 §2.2", name: "byte by byte", steps: []step{drip("\r\n" + chunking("5;a=b\r\nhello\r\n0\r\n\r\n") + getting("/a", "A: b"))},
		want: "200 200", seen: []string{`POST / at x, chunked "hello"`, "GET /a at x, a: b"}},
	{rule: "RFC 9112 §9.6", name: "the client says no more, behind its request", steps: []step{say(plain), halfClose}, want: "200 close",
		seen: []string{"GET / at x"}},
	{rule: "RFC 9112 §8", name: "no more within the request line", steps: []step{say("GET /ev"), halfClose}, want: "400? close"},
	{rule: "RFC 9112 §8", name: "no more within the head", steps: []step{say("GET /evil HTTP/1.1\r\nHost: x\r\n"), halfClose}, want: "400? close"},
	{rule: "RFC 9112 §8", name: "no more within garbage", steps: []step{say("\x80\x00\xff"), halfClose}, want: "400? close"},
	{rule: "RFC 9112 §8", name: "no more within a body", steps: []step{say(posting("Content-Length: 10") + "hello"), halfClose}, want: "400? close", cut: "POST / at x"},
	{rule: "RFC 9112 §8", name: "no more within a chunk", steps: []step{say(chunking("a\r\nhello")), halfClose}, want: "400? close", cut: "POST / at x"},
	{rule: "RFC 9112 §8", name: "no more within a chunk of 4 GB", steps: []step{say(chunking("100000000\r\nhello")), halfClose}, want: "400? close", cut: "POST / at x"},
	{rule: "RFC 9112 §8", name: "no more before the last chunk", steps: []step{say(chunking("5\r\nhello\r\n")), halfClose}, want: "400? close", cut: "POST / at x"},
	{rule: "RFC 9112 §8", name: "no more within the trailers", steps: []step{say(chunking("5\r\nhello\r\n0\r\nX-Sum: 1\r\n")), halfClose}, want: "400? close", cut: "POST / at x"},
	{rule: "RFC 9112 §8", name: "nothing at all", steps: []step{halfClose}, want: "close"},

	{rule: "RFC 9110 §15.5.9", name: "nothing comes", steps: []step{say("")}, want: "408? close", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a request line stalls", steps: []step{say("GET /")}, want: "408 close", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a head stalls", steps: []step{say("GET / HTTP/1.1\r\nHost: x\r\nA: b")}, want: "408 close", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a head trickles", steps: []step{say("GET / HTTP/1.1\r\nA: "), trickle}, want: "408 close", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "the second head stalls", steps: []step{say(plain + "GET / HTTP/1.1\r\nHo")}, want: "200 408 close",
		seen: []string{"GET / at x"}, with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a body does not begin", steps: []step{say(posting("Content-Length: 999999999"))}, want: "408 close", cut: "POST / at x", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a body stalls", steps: []step{say(posting("Content-Length: 10") + "hello")}, want: "408 close", cut: "POST / at x", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a chunk stalls", steps: []step{say(chunking("a\r\nhello"))}, want: "408 close", cut: "POST / at x", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "trailers stall", steps: []step{say(chunking("5\r\nhello\r\n0\r\nX"))}, want: "408 close", cut: "POST / at x", with: hurry},
	{rule: "RFC 9110 §15.5.9", name: "a body that was asked for does not come", want: "408 close", cut: "POST / at x, expect: 100-continue or POST / at x", with: hurry,
		steps: []step{say(posting("Expect: 100-continue", "Content-Length: 5")), told(100)}},
	{rule: "RFC 9112 §9.5", name: "idle", steps: []step{say(plain)}, want: "200 close", seen: []string{"GET / at x"}, with: hurry},
	{rule: "RFC 9112 §9.5", name: "idle behind an empty line", steps: []step{say(plain + "\r\n")}, want: "200 408? close", seen: []string{"GET / at x"}, with: hurry},
}

func repeat(s string, n int) (all []string) {
	for range n {
		all = append(all, s)
	}
	return all
}

// trickle sends a byte now and then, until the connection ends or is answered.
func trickle(c *testkit.Client, _ *testkit.Backend) error {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for range 400 {
		if _, err := c.Write([]byte("a")); err != nil {
			return nil
		}
		if c.Pending() {
			return nil
		}
		<-pace.C
	}
	return errors.New("a head that trickles is never too late")
}

const (
	asks     = "Expect: 100-continue"
	asksSeen = `POST / at x, sized "hello", expect: 100-continue or POST / at x, sized "hello"`
)

var expectRows = []clientRow{
	{rule: "RFC 9110 §10.1.1", name: "100-continue, waited for", steps: []step{say(posting(asks, "Content-Length: 5")), told(100), say("hello")},
		want: "200", seen: []string{asksSeen}},
	{rule: "RFC 9110 §10.1.1", name: "100-continue, not waited for", send: posting(asks, "Content-Length: 5") + "hello", want: "100? 200", seen: []string{asksSeen}},
	{rule: "RFC 9110 §10.1.1", name: "in upper case", send: posting("Expect: 100-CONTINUE", "Content-Length: 5") + "hello", want: "100? 200",
		seen: []string{asksSeen + ` or POST / at x, sized "hello", expect: 100-CONTINUE`}},
	{rule: "RFC 9110 §10.1.1", name: "without a body", send: getting("/", asks), want: "100? 200", seen: []string{"GET / at x, expect: 100-continue or GET / at x"}},
	{rule: "RFC 9110 §10.1.1", name: "of HTTP/1.0 is none", send: "POST / HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
		want: "200 close", seen: []string{asksSeen}},
	{rule: "RFC 9110 §10.1.1", name: "refused: the body is not asked for", steps: []step{say(posting(asks, "Content-Length: 5"))}, want: "403 close",
		answer: func(c *testkit.BackendConn) {
			if c.Head() != nil {
				c.Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
			}
			c.Hang()
		}, cut: "POST / at x, expect: 100-continue or POST / at x"},
	{rule: "RFC 9110 §10.1.1", name: "answered without being asked", steps: []step{say(posting(asks, "Content-Length: 5"))}, want: "200 close",
		answer: func(c *testkit.BackendConn) {
			if c.Head() != nil {
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
			c.Hang()
		}, cut: "POST / at x, expect: 100-continue or POST / at x"},
	status("RFC 9110 §10.1.1", "something else", "417 close?", getting("/", "Expect: 200-ok")),
	status("RFC 9110 §10.1.1", "something else as well", "417 close?", getting("/", "Expect: 100-continue, 200-ok")),
	status("RFC 9110 §10.1.1", "something else in another line", "417 close?", getting("/", asks, "Expect: 200-ok")),
	status("RFC 9110 §10.1.1", "a word in front", "417 close?", getting("/", "Expect: y 100-continue")),
	status("RFC 9110 §10.1.1", "a parameter", "417 close?", getting("/", "Expect: 100-continue;a=b")),
	status("RFC 9110 §10.1.1", "something else, with a body", "417 close?", posting("Expect: x", "Content-Length: 5")+"hello"),
}

const websocket = "Upgrade: websocket"

// switches agrees to speak the protocol, and echoes what comes in it.
func switches(protocol string) func(*testkit.BackendConn) {
	return func(c *testkit.BackendConn) {
		if c.Request() != nil {
			c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")
			c.Hang()
		}
	}
}

var upgradeRows = []clientRow{
	fine("RFC 9110 §7.8", "h2c goes", getting("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), "GET / at x"),
	fine("RFC 9110 §7.8", "h2c goes, in upper case", getting("/", "Connection: upgrade", "Upgrade: H2C"), "GET / at x"),
	fine("RFC 9110 §7.8", "h2c goes from a list", getting("/", "Connection: Upgrade", "Upgrade: h2c, websocket"),
		"GET / at x, connection: Upgrade, upgrade: websocket or GET / at x"),
	fine("RFC 9110 §7.8", "HTTP/2.0 goes", getting("/", "Connection: Upgrade", "Upgrade: HTTP/2.0"), "GET / at x, connection: Upgrade, upgrade: HTTP/2.0 or GET / at x"),
	fine("RFC 9110 §7.8", "an offer that is not taken", getting("/", "Connection: Upgrade", websocket), "GET / at x, connection: Upgrade, upgrade: websocket"),
	fine("RFC 9110 §7.8", "an offer of something unknown", getting("/", "Connection: Upgrade", "Upgrade: made-up/1.0"),
		"GET / at x, connection: Upgrade, upgrade: made-up/1.0 or GET / at x"),
	fine("RFC 9110 §7.8", "not without Connection", getting("/", websocket), "GET / at x"),
	fine("RFC 9110 §7.8", "not without Upgrade", getting("/", "Connection: Upgrade"), "GET / at x"),
	fine("RFC 9110 §7.8", "an offer by POST", posting("Connection: Upgrade", websocket), "POST / at x, connection: Upgrade, upgrade: websocket or POST / at x"),
	fine("RFC 9110 §7.8", "not behind a body", posting("Connection: Upgrade", websocket, "Content-Length: 5")+"hello", `POST / at x, sized "hello"`),
	fine("RFC 9110 §7.8", "not behind chunks", posting("Connection: Upgrade", websocket, "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n", `POST / at x, chunked "hello"`),
	{rule: "RFC 9110 §7.8", name: "not in HTTP/1.0", send: "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", want: "200 close", seen: []string{"GET / at x"}},
	{rule: "RFC 9110 §7.8", name: "101 that was asked for", steps: []step{say(getting("/", "Connection: Upgrade", websocket)), told(101), say("ping"), halfClose},
		want: "close", seen: []string{"GET / at x, connection: Upgrade, upgrade: websocket"}, answer: switches("websocket")},
	{rule: "RFC 9110 §7.8", name: "101 behind a length of none", steps: []step{say(getting("/", "Connection: Upgrade", websocket, "Content-Length: 0")), told(101), say("ping"), halfClose},
		want: "close", seen: []string{"GET / at x, connection: Upgrade, upgrade: websocket"}, answer: switches("websocket")},
	{rule: "RFC 9110 §7.8", name: "101 that was not asked for", send: plain, want: "502 close?", seen: []string{"GET / at x"}, strikes: 1, answer: switches("websocket")},
	{rule: "RFC 9110 §7.8", name: "101 where h2c was asked for", send: getting("/", "Connection: Upgrade", "Upgrade: h2c"), want: "502 close?",
		seen: []string{"GET / at x"}, strikes: 1, answer: switches("h2c")},
	{rule: "RFC 9110 §7.8", name: "101 to another protocol", send: getting("/", "Connection: Upgrade", websocket), want: "502 close?",
		seen: []string{"GET / at x, connection: Upgrade, upgrade: websocket"}, strikes: 1, answer: switches("other")},
	{rule: "RFC 9110 §7.8", name: "101 behind a body", send: posting("Connection: Upgrade", websocket, "Content-Length: 5") + "hello", want: "502 close?",
		seen: []string{`POST / at x, sized "hello"`}, strikes: 1, answer: switches("websocket")},
}

var clientTables = [][]clientRow{
	lineRows, targetRows, fieldRows, forwardRows, lengthRows, codingRows, chunkRows, trailerRows, connectionRows, expectRows, upgradeRows, answerRows,
}

// What rota answers in its own name, or adds to an answer.
var answerRows = []clientRow{
	{rule: "RFC 9110 §6.6.1", name: "a refusal has a date", send: getting("/", "A : b"), want: "400 close", field: "Date"},
	{rule: "RFC 9110 §6.6.1", name: "so has the refusal of a method", send: "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", want: "405 close?", field: "Date"},
	{rule: "RFC 9110 §6.6.1", name: "an answer without a date gets one", send: plain, want: "200", seen: []string{"GET / at x"}, field: "Date"},
	{rule: "RFC 9110 §6.6.1", name: "an answer keeps its date", send: plain, want: "200", seen: []string{"GET / at x"},
		answer: answers("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"), field: "Date: Sun, 06 Nov 1994 08:49:37 GMT"},
	{rule: "RFC 9110 §9.3.2", name: "HEAD", send: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", method: "HEAD", want: "200", seen: []string{"HEAD / at x"}, field: "Content-Length: 6"},
	{rule: "RFC 9110 §9.3.2", name: "HEAD that is refused", send: "HEAD / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n", method: "HEAD", want: "417 close?"},
}
