package socket

import "errors"

// ErrNoPipe means that there was nothing to splice through, so that nothing was
// moved and neither side has failed: descriptors may be short.
var ErrNoPipe = errors.New("no pipe to splice through")
