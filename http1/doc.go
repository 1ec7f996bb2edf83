// Package http1 is the wire format of HTTP/1.1 (RFC 9112): it turns bytes into
// heads and bodies and back. It does no I/O, starts no goroutine, and allocates
// nothing once its values have grown to the size of the traffic.
//
// # Reading
//
// The caller owns a buffer, a [Request] or [Response] and, for a chunked body,
// a [ChunkDecoder]; it uses them again for each message. Each reading method
// is given the bytes that are there and tells how many of them it has used.
// None used and no error means that more must arrive first: the caller reads
// more behind them and calls again with all of it. What was looked at before is
// not looked at again, so bytes may come one at a time.
//
// # Views
//
// Strings and spans that come out are views of the caller's bytes. They hold
// until the caller writes over those bytes, and must be cloned to live longer.
// Between calls for one head the caller may move its bytes to another place.
//
// # Strictness
//
// A message has one meaning here or none. Where RFC 9112 lets a recipient put
// up with what senders may not send, and others have read it in another way,
// the message is refused.
package http1

import "unsafe"

// view returns a string that shares its bytes with b. It is the only place
// where the package does so; the package comment says how long views hold.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
