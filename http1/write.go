package http1

import "strconv"

// The writers append to dst and return it, as append does. They take what they
// are given: methods, targets and fields that came out of a parser, or are just
// as free of line ends.

// AppendRequestLine appends a request line of HTTP/1.1 (RFC 9112 §3), whatever
// the version of the request that is forwarded (RFC 9110 §7.6). The target is
// path and query one behind the other, as a [Request] has them.
func AppendRequestLine(dst []byte, method, path, query string) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, path...)
	dst = append(dst, query...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line of HTTP/1.1 (RFC 9112 §4). A status has
// three digits.
func AppendStatusLine(dst []byte, status int, reason string) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, reason...)
	return append(dst, crlf...)
}

// AppendField appends a field line (RFC 9112 §5).
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, crlf...)
}

// AppendContentLength appends a Content-Length of n bytes (RFC 9110 §8.6).
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, crlf...)
}

// AppendHeader appends a field section with the empty line that ends it.
func AppendHeader(dst []byte, h Header) []byte {
	for i := range h {
		dst = AppendField(dst, h[i].Name, h[i].Value)
	}
	return append(dst, crlf...)
}

// AppendChunkSize appends the line in front of a chunk of n bytes, which must
// not be 0. The caller sends the data behind it, and CRLF behind that (RFC 9112
// §7.1).
func AppendChunkSize(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n, 16)
	return append(dst, crlf...)
}

// AppendLastChunk appends what ends a chunked body: the last chunk and the
// trailers (RFC 9112 §7.1.2).
func AppendLastChunk(dst []byte, trailer Header) []byte {
	return AppendHeader(append(dst, "0\r\n"...), trailer)
}
