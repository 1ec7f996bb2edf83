//go:build unix

package snapshot

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// trusted returns an error where others than this user, and root, could have
// written the file: whoever can has a say in where the traffic goes.
func trusted(info fs.FileInfo) error {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return errors.New("it belongs to another user")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return errors.New("other users may write to it: its mode is " + info.Mode().Perm().String())
	}
	return nil
}
