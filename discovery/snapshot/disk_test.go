package snapshot

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/discovery"
)

func TestFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, service := range []string{
		"web", "Web", "WEB", "", ".", "..", "../web", "a/b", "a_b", "a\x00b", "a b", "é", "è", "CON",
		strings.Repeat("x", 300), strings.Repeat("x", 301), strings.Repeat("é", 300),
	} {
		name := fileName(service)
		// Some file systems don't tell letters by their case.
		if other, taken := seen[strings.ToLower(name)]; taken {
			t.Errorf("%q and %q are both kept in %s", service, other, name)
		}
		seen[strings.ToLower(name)] = service
		if len(name) > 100 || strings.ContainsAny(name, "/\\\x00 ") || strings.HasPrefix(name, ".") {
			t.Errorf("%q is kept in %q", service, name)
		}
		d := disk{t.TempDir(), name}
		if err := d.store(&record{Service: service}); err != nil {
			t.Errorf("%q: %v", service, err)
		}
	}
	if got := fileName("web"); !strings.HasPrefix(got, "web-") {
		t.Errorf("web is kept in %q, which nobody would look for", got)
	}
}

// Whoever can write the file says where the traffic goes.
func TestFilesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	store := func(t *testing.T) disk {
		d := disk{t.TempDir(), fileName("web")}
		if err := d.store(&record{Service: "web"}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(d.path()); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("stored as %v, %v", info, err)
		}
		return d
	}
	tests := []struct {
		name   string
		change func(path string) error
		told   string // "": it is read
	}{
		{"ours", func(string) error { return nil }, ""},
		{"another user's", func(p string) error { return os.Chown(p, 4242, 0) }, "another user"},
		{"writable by all", func(p string) error { return os.Chmod(p, 0o666) }, "other users may write to it"},
		{"a link", func(p string) error {
			if err := os.Rename(p, p+"2"); err != nil {
				return err
			}
			return os.Symlink(p+"2", p)
		}, "not a regular file"},
		{"a folder", func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Mkdir(p, 0o700)
		}, "not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := store(t)
			if err := tt.change(d.path()); err != nil {
				t.Fatal(err)
			}
			_, err := d.load("web", "")
			if err == nil && tt.told != "" || err != nil && (tt.told == "" || !strings.Contains(err.Error(), tt.told)) {
				t.Errorf("read with %v, want %q", err, tt.told)
			}
		})
	}
}

// A write that fails leaves what was there, and nothing of its own.
func TestAWriteThatFails(t *testing.T) {
	d := disk{t.TempDir(), fileName("web")}
	if err := d.store(&record{Service: "web", Query: "old"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(d.dir, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken := disk{d.dir, "x"} // a file can't take the place of a folder
	if err := broken.store(&record{Service: "web"}); err == nil {
		t.Fatal("a folder was replaced")
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, "*"+temporary)); len(left) > 0 || err != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if _, err := d.load("web", "old"); err != nil {
		t.Error(err)
	}
}

// A disk without space keeps the old file.
func TestADiskThatIsFull(t *testing.T) {
	dir := fullDisk(t)
	d := disk{dir, fileName("web")}
	if err := d.store(&record{Service: "web", Query: "old"}); err != nil {
		t.Fatal(err)
	}
	big := record{Service: "web", Query: strings.Repeat("x", 4<<20)}
	err := d.store(&big)
	if err == nil || !strings.Contains(reason(err), "no space left") {
		t.Fatalf("stored with %v", err)
	}
	if again := d.store(&big); reason(again) != reason(err) {
		t.Errorf("told as %q and then %q", reason(err), reason(again))
	}
	if _, err := d.load("web", "old"); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestTidy(t *testing.T) {
	d := disk{t.TempDir(), fileName("web")}
	crashed, busy, other := d.name+".1"+temporary, d.name+".2"+temporary, fileName("api")+".1"+temporary
	for _, name := range []string{d.name, crashed, busy, other} {
		if err := os.WriteFile(filepath.Join(d.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if name != busy {
			if err := os.Chtimes(filepath.Join(d.dir, name), time.Time{}, time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.tidy()
	for name, want := range map[string]bool{d.name: true, crashed: false, busy: true, other: true} {
		if _, err := os.Stat(filepath.Join(d.dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	for range 2 {
		if err := Prepare(deep); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(deep); len(entries) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file is taken for a folder: %v", err)
	}
}

// Whatever stands in a file: no crash, and nothing that a source must not tell.
func FuzzDecode(f *testing.F) {
	for _, r := range []record{{}, {Service: "web", Query: "q", Time: time.Unix(1, 0), Instances: instances("a", "b")}} {
		text, err := encode(&r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[bytes.IndexByte(text, '\n')+1:])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// As it is, and as the body of a file that is whole.
		if r, err := decode(text); err == nil {
			again, err := encode(&r)
			if err != nil {
				t.Fatal(err)
			}
			if r2, err := decode(again); err != nil || !reflect.DeepEqual(r, r2) {
				t.Fatalf("read as %+v, and then as %+v, %v", r, r2, err)
			}
		}
		r, err := decode(sealed(text))
		if err != nil {
			return
		}
		last := ""
		for _, in := range r.Instances {
			if in.ID <= last || in.Weight < 0 || in.Status > discovery.Maintenance || !strings.Contains(in.Address, ":") {
				t.Fatalf("told %+v after %q", in, last)
			}
			last = in.ID
		}
	})
}
