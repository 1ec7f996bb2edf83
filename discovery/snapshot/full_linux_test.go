package snapshot

import (
	"syscall"
	"testing"
)

// fullDisk returns a folder with room for a megabyte.
func fullDisk(t *testing.T) string {
	dir := t.TempDir()
	if err := syscall.Mount("rota", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("only root can mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}
