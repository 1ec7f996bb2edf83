package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make fuzz does not take a package that does not compile for one without fuzz
// tests.
func TestFuzzScript(t *testing.T) {
	script, err := os.ReadFile("../scripts/fuzz.sh")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, text string
		passes     bool
		says       string
	}{
		{"nothing to fuzz", "func TestA(*testing.T) {}\n", true, ""},
		{"it does not compile", "func FuzzA(f *testing.F) { gone() }\n", false, "undefined: gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"scripts/fuzz.sh": string(script),
				"go.mod":          "module example.com/a\n\ngo 1.26\n",
				"a_test.go":       "package a\n\nimport \"testing\"\n\n" + tt.text,
			} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command(filepath.Join(dir, "scripts/fuzz.sh")).CombinedOutput()
			if (err == nil) != tt.passes {
				t.Errorf("ended with %v:\n%s", err, out)
			}
			if !strings.Contains(string(out), tt.says) {
				t.Errorf("does not say %q:\n%s", tt.says, out)
			}
		})
	}
}
