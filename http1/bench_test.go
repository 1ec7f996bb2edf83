package http1

import (
	"bytes"
	"testing"
)

// typical is what a browser sends: ten fields.
const typical = "GET /assets/app.js?v=20240501 HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://www.example.com/where/from\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Connection: keep-alive\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Priority: u=0, i\r\n\r\n"

func BenchmarkRequest(b *testing.B) {
	head, l := []byte(typical), DefaultLimits()
	var r Request
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(head, &l); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
	}
}

// typicalResponse is what an application server sends.
const typicalResponse = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx/1.26.0\r\n" +
	"Date: Wed, 01 May 2024 12:00:00 GMT\r\n" +
	"Content-Type: application/json; charset=utf-8\r\n" +
	"Content-Length: 128\r\n" +
	"Connection: keep-alive\r\n" +
	"Cache-Control: no-cache, private\r\n" +
	"X-Request-Id: 6d0c1a8e-3f1b-4a47-9a57-1f0a3c1f8f4e\r\n\r\n"

func BenchmarkResponse(b *testing.B) {
	head, l := []byte(typicalResponse), DefaultLimits()
	var r Response
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(head, "GET", &l); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkForward is what a proxy does to a head beside its rules: read it and
// write it again.
func BenchmarkForward(b *testing.B) {
	head, l := []byte(typical), DefaultLimits()
	var r Request
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(head, &l); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
		out = AppendRequestLine(out[:0], r.Method, r.Path, r.Query)
		out = AppendHeader(out, r.Header)
	}
}

func benchmarkChunks(b *testing.B, size int, next step) {
	var in []byte
	for len(in) < 16<<10 {
		in = append(AppendChunkSize(in, int64(size)), bytes.Repeat([]byte("a"), size)...)
		in = append(in, "\r\n"...)
	}
	in = AppendLastChunk(in, nil)
	l := DefaultLimits()
	var d ChunkDecoder
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset()
		for rest := in; !d.Done(); {
			_, n, err := next(&d, rest, &l)
			if n == 0 || err != nil {
				b.Fatal(n, err)
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.Run("chunks of 32", func(b *testing.B) { benchmarkChunks(b, 32, decode) })
	b.Run("chunks of 4096", func(b *testing.B) { benchmarkChunks(b, 4096, decode) })
}

func BenchmarkRelay(b *testing.B) {
	b.Run("chunks of 32", func(b *testing.B) { benchmarkChunks(b, 32, relay) })
	b.Run("chunks of 4096", func(b *testing.B) { benchmarkChunks(b, 4096, relay) })
}

func BenchmarkNormalPath(b *testing.B) {
	for _, p := range []string{"/assets/app.js", "/api/v1/users/42/orders/2024-05-01", "/a%20b/%C3%A4", "/a//b/../%7euser"} {
		b.Run(p, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NormalPath(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
