package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files and the reference")

// Every wrong configuration under testdata/bad has its exact diagnostics
// beside it. Each is a mistake that somebody might make.
func TestBad(t *testing.T) {
	for _, path := range inputs(t, "testdata/bad") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			config, err := Load(path)
			if err == nil {
				t.Fatalf("loaded as %+v, want an error", config)
			}
			if diags := (Diagnostics)(nil); !errors.As(err, &diags) || len(diags) == 0 {
				t.Fatalf("error is a %T, want Diagnostics", err)
			}
			golden(t, path+".golden", []byte(err.Error()+"\n"))
		})
	}
}

// Every configuration under testdata/good has what it means beside it.
func TestGood(t *testing.T) {
	t.Setenv("ROTA_TEST_PORT", "8888")
	t.Setenv("ROTA_TEST_EMPTY", "")
	for _, path := range inputs(t, "testdata/good") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			config, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, path+".golden", effective(t, config))
		})
	}
}

// inputs lists the configurations in a folder.
func inputs(t testing.TB, dir string) []string {
	var paths []string
	for _, pattern := range []string{"*.hcl", "*.json"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		t.Fatalf("no configuration in %s", dir)
	}
	return paths
}

// golden compares got with the file, or writes the file with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

// effective is a configuration as JSON, with durations as they are written in
// a file.
func effective(t *testing.T, config *Config) []byte {
	t.Helper()
	text, err := json.MarshalIndent(readable(reflect.ValueOf(*config)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// readable turns structs into objects and durations into strings.
func readable(v reflect.Value) any {
	switch value := v.Interface().(type) {
	case time.Duration:
		return value.String()
	case StatusRange:
		return fmt.Sprintf("%d-%d", value.Min, value.Max)
	case netip.Prefix:
		return value.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return readable(v.Elem())
	case reflect.Slice:
		elements := make([]any, v.Len())
		for i := range elements {
			elements[i] = readable(v.Index(i))
		}
		return elements
	case reflect.Struct:
		object := map[string]any{}
		for _, f := range reflect.VisibleFields(v.Type()) {
			object[f.Name] = readable(v.FieldByIndex(f.Index))
		}
		return object
	default:
		return v.Interface()
	}
}
