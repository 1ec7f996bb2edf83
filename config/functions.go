package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// functions are those that a file may call. Paths start in dir.
func functions(dir string) map[string]function.Function {
	return map[string]function.Function{
		"env":  env,
		"file": file(dir),
	}
}

// env gives an environment variable. A default is for one that is not set, not
// for one that is set to "": that is how a value is switched off from outside.
var env = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "name", Type: cty.String}},
	VarParam: &function.Parameter{Name: "default", Type: cty.String},
	Type:     function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		name := args[0].AsString()
		if len(args) > 2 {
			return cty.NilVal, faultf(`write env("NAME") or env("NAME", "default")`, "env takes a name and a default, not %d values", len(args))
		}
		// Unset without a default is an error: "" in its place would be a
		// program that starts and does something else.
		if value, ok := os.LookupEnv(name); ok {
			return cty.StringVal(value), nil
		}
		if len(args) == 2 {
			return args[1], nil
		}
		hint := fmt.Sprintf("set it, or give a default: env(%q, %q)", name, "…")
		return cty.NilVal, faultf(hint, "the environment variable %s is not set", name)
	},
})

// maxFile is the size of the largest file that becomes a value, in bytes.
const maxFile = 1 << 20

// file gives the content of a file without the newline at its end, as secrets
// are often stored with one.
func file(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			content, err := readFile(within(dir, args[0].AsString()))
			return cty.StringVal(content), err
		},
	})
}

func readFile(path string) (string, error) {
	const hint = "a relative path starts in the folder of the configuration file"
	// A device or a pipe may never end; it isn't even opened.
	info, err := os.Stat(path)
	if err != nil {
		return "", faultf(hint, "can't read %s: %s", path, reason(err))
	}
	if !info.Mode().IsRegular() {
		return "", faultf(hint, "can't read %s: not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", faultf(hint, "can't read %s: %s", path, reason(err))
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", faultf(hint, "can't read %s: %s", path, reason(err))
	case len(content) > maxFile:
		return "", faultf("", "%s is larger than %d bytes", path, maxFile)
	case !utf8.Valid(content):
		return "", faultf("", "%s does not hold text in UTF-8", path)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
}

// within is path, taken from dir if it is relative. "" stays "".
func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
