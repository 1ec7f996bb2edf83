//go:build !unix

package snapshot

import "io/fs"

func trusted(fs.FileInfo) error { return nil }
