package config

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const reference = "../docs/configuration.md"

// The reference in docs is made from the description that decodes files, so
// that it can't say anything else.
func TestReference(t *testing.T) {
	const mark = "-update -->\n"
	doc, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	prose, _, ok := bytes.Cut(doc, []byte(mark))
	if !ok {
		t.Fatalf("%s has no line that ends in %q", reference, mark)
	}
	var b bytes.Buffer
	b.Write(prose)
	b.WriteString(mark)
	writeReference(&b, newDraft("").root(), "The top level of the file", "", "###")
	golden(t, reference, b.Bytes())
}

// writeReference writes the table of one body, then those of its blocks.
func writeReference(b *bytes.Buffer, of *body, title, doc, heading string) {
	fmt.Fprintf(b, "\n%s %s\n", heading, title)
	if doc != "" {
		fmt.Fprintf(b, "\n%s\n", doc)
	}
	if len(of.fields) > 0 {
		b.WriteString("\n| argument | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, f := range of.fields {
		fallback := f.fallback
		switch {
		case f.required:
			fallback = "required"
		case isLiteral(f):
			fallback = "`" + fallback + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, f.typ, fallback, strings.ReplaceAll(f.doc, "|", `\|`))
	}
	for _, k := range of.blocks {
		title := "`" + k.title() + "`"
		if heading == "####" {
			title += " in `service`"
		}
		writeReference(b, k.open(&section{label: "NAME"}), title, k.doc, "####")
	}
}

// isLiteral reports whether the field's default is written as in a file,
// rather than told in words.
func isLiteral(f field) bool { return strings.ContainsAny(f.fallback[:1], `"[0123456789`) }

// A file that spells out every default of the reference means the same as one
// that leaves everything out.
func TestReferenceDefaults(t *testing.T) {
	var b strings.Builder
	writeDefaults(&b, newDraft("").root())
	t.Log(b.String())
	spelt, err := Parse("spelt.hcl", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := Parse("bare.hcl", []byte("service \"NAME\" {}\naccess_log {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	bare.Listens[0].Name = "NAME"
	if got, want := effective(t, spelt), effective(t, bare); !bytes.Equal(got, want) {
		t.Errorf("with defaults spelt out:\n%s\nleft out:\n%s", got, want)
	}
}

// writeDefaults writes a file in which every block is there once, with every
// default.
func writeDefaults(b *strings.Builder, of *body) {
	for _, f := range of.fields {
		if f.required {
			fmt.Fprintf(b, "%s = %q\n", f.name, "NAME") // the service of a route
		} else if isLiteral(f) {
			fmt.Fprintf(b, "%s = %s\n", f.name, f.fallback)
		}
	}
	for _, k := range of.blocks {
		if k.kind == DiscoverStatic {
			continue
		}
		fmt.Fprintf(b, "%s {\n", k.title())
		writeDefaults(b, k.open(&section{label: "NAME"}))
		b.WriteString("}\n")
	}
}

// Whatever a reader may copy works.
func TestReferenceExamples(t *testing.T) {
	doc, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONSUL_HTTP_ADDR", "")
	examples := regexp.MustCompile("(?s)```(hcl|json)\n(.*?)```").FindAllSubmatch(doc, -1)
	if len(examples) < 4 {
		t.Errorf("found %d examples, want them all", len(examples))
	}
	for _, e := range examples {
		if _, err := Parse("example."+string(e[1]), e[2]); err != nil {
			t.Errorf("%v\nin\n%s", err, e[2])
		}
	}

	// The sample of a message is a real one.
	message, err := os.ReadFile("testdata/bad/unknown-argument.hcl.golden")
	if err != nil {
		t.Fatal(err)
	}
	message = bytes.ReplaceAll(message, []byte("testdata/bad/unknown-argument.hcl"), []byte("config.hcl"))
	if !bytes.Contains(doc, message) {
		t.Errorf("the sample of a message is not:\n%s", message)
	}
}

// Nobody has to guess what an argument is for.
func TestReferenceComplete(t *testing.T) {
	var walk func(b *body, path string)
	walk = func(b *body, path string) {
		for _, f := range b.fields {
			if f.doc == "" || f.typ == "" || f.fallback == "" && !f.required {
				t.Errorf("%s%s is not fully described", path, f.name)
			}
			if (f.typ == typeList) != (f.clear != nil) {
				t.Errorf("%s%s: lists have a clear, and only they", path, f.name)
			}
		}
		for _, k := range b.blocks {
			if k.doc == "" {
				t.Errorf("%s%s is not described", path, k.name)
			}
			walk(k.open(new(section)), path+k.name+".")
		}
	}
	walk(newDraft("").root(), "")
}
