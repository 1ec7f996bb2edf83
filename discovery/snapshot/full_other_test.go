//go:build !linux

package snapshot

import "testing"

func fullDisk(t *testing.T) string {
	t.Skip("no small disk here")
	return ""
}
