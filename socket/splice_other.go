//go:build !linux

package socket

// CanSplice reports whether [Splice] can do anything with the connection.
func (*Conn) CanSplice() bool { return false }

// Splice is for systems that can.
func Splice(_, _ *Conn, _ int64) (moved int64, readErr, writeErr error) {
	return 0, ErrNoPipe, nil
}
