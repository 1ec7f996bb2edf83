package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rota-lb/rota/discovery"
)

// record is the content of a file.
type record struct {
	Service   string
	Query     string
	Time      time.Time // until when Instances were the truth, at least
	Instances []discovery.Instance
}

// A file is a line, "rota snapshot", the version and the SHA-256 of the rest in
// hex, and then the record as JSON.
const (
	magic   = "rota snapshot "
	version = "1"
	maxSize = 256 << 20 // bytes; far above the largest service
)

// temporary is how the names of files end that are being written.
const temporary = ".tmp"

// Prepare makes the folder if it is missing, and tries to write to it.
func Prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "try.*"+temporary)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// disk is the file of one service.
type disk struct{ dir, name string }

func (d disk) path() string { return filepath.Join(d.dir, d.name) }

// fileName returns a name that is safe and not that of any other service.
func fileName(service string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		default:
			return '_'
		}
	}, service)
	sum := sha256.Sum256([]byte(service))
	return fmt.Sprintf("%.40s-%x.snapshot", readable, sum[:8])
}

// load returns what was stored last, if it is whole and about this query.
func (d disk) load(service, query string) (record, error) {
	text, err := d.read()
	if err != nil {
		return record{}, err
	}
	r, err := decode(text)
	switch {
	case err != nil:
		return record{}, err
	case r.Service != service:
		return record{}, fmt.Errorf("it is of service %q", r.Service)
	case r.Query != query:
		return record{}, errors.New("it was made by another configuration of the service or of Consul")
	}
	return r, nil
}

func (d disk) read() ([]byte, error) {
	info, err := os.Lstat(d.path())
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to open it could take for ever
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(d.path())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := trusted(info); err != nil {
		return nil, err
	}
	if info.Size() > maxSize {
		return nil, errors.New("it is too large")
	}
	return io.ReadAll(io.LimitReader(f, maxSize))
}

// store replaces the file, so that there is the old one or the new one at any
// moment, whole.
func (d disk) store(r *record) (err error) {
	text, err := encode(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(d.dir, d.name+".*"+temporary) // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // why it is there is told already
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), d.path()); err != nil {
		return err
	}
	return syncFolder(d.dir)
}

// syncFolder makes a change of names last.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// tidy removes what a crash in the middle of a write has left.
func (d disk) tidy() {
	entries, _ := os.ReadDir(d.dir) // what is wrong with it the next write tells
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), d.name+".") || !strings.HasSuffix(e.Name(), temporary) {
			continue
		}
		// Another process may be writing.
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(filepath.Join(d.dir, e.Name()))
		}
	}
}

func encode(r *record) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return sealed(body), nil
}

// sealed returns the body with its head.
func sealed(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append([]byte(magic+version+" "+hex.EncodeToString(sum[:])+"\n"), body...)
}

var errDamaged = errors.New("it is damaged")

// decode returns the whole record, or why there is none.
func decode(text []byte) (record, error) {
	head, body, whole := bytes.Cut(text, []byte("\n"))
	rest, isOurs := strings.CutPrefix(string(head[:min(len(head), 200)]), magic)
	if !isOurs || !whole {
		return record{}, errDamaged
	}
	written, sum, _ := strings.Cut(rest, " ")
	if written != version {
		return record{}, fmt.Errorf("it is of version %q, and this rota reads %s", written, version)
	}
	if real := sha256.Sum256(body); sum != hex.EncodeToString(real[:]) {
		return record{}, errDamaged
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return record{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return r, check(r.Instances)
}

// check holds instances to what a source promises of them.
func check(instances []discovery.Instance) error {
	last := ""
	for _, in := range instances {
		host, port, err := net.SplitHostPort(in.Address)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" ||
			in.ID <= last || in.Weight < 0 || in.Status > discovery.Maintenance {
			return errDamaged
		}
		last = in.ID
	}
	return nil
}

// reason is err without the name of a temporary file, so that two failures for
// the same reason look the same.
func reason(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Op + ": " + path.Err.Error()
	case errors.As(err, &link):
		return link.Op + ": " + link.Err.Error()
	default:
		return err.Error()
	}
}
