package pool

import "testing"

// Who is doubted has to pass a check before it serves, in the first set too.
func TestDoubtedEndpointsProveThemselves(t *testing.T) {
	b := newBench(t)
	b.options.Doubted = map[string]bool{"dc1/node/a": true}
	b.set(instance("a"), instance("b"))
	b.want("a=warming b=serving | b")
	b.check("a", "127.0.0.1:1", nil)
	b.want("a=serving b=serving | a b")
}
