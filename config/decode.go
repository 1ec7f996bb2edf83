package config

import (
	"bytes"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// decoder walks one file beside its description and collects what is wrong. It
// goes on after each mistake, so that a file can be mended in one go.
type decoder struct {
	filename string
	src      []byte // kept to show lines of it
	isJSON   bool
	context  *hcl.EvalContext
	diags    Diagnostics
	// incomplete says that some block could not be made out at all, so that
	// what seems to be missing may stand in it.
	incomplete bool
}

func newDecoder(filename string, src []byte) *decoder {
	return &decoder{
		filename: filename,
		src:      src,
		isJSON:   strings.HasSuffix(filename, ".json"),
		context:  &hcl.EvalContext{Functions: functions(filepath.Dir(filename))},
	}
}

// A section is one occurrence of a block, or the file as a whole: the title by
// which messages call it, and the places that they point to.
type section struct {
	title string // such as: health_check of service "web"; "" for the file
	label string
	where hcl.Range // the block's header
	// at is where each argument's value stands; those not given are not in it.
	at map[string]hcl.Range
	// each is where the elements of a list stand, for a list without a bad one.
	each map[string][]hcl.Range
	// bad are the arguments whose value was of no use, or whose name was
	// probably misspelt. They are neither missing nor judged any further.
	bad map[string]bool
	// elsewhere are the arguments that another kind of this block has, with
	// that block.
	elsewhere map[string]string
}

// position is where the argument stands, or else where its block begins.
func (s *section) position(argument string) hcl.Range {
	if r, ok := s.at[argument]; ok {
		return r
	}
	return s.where
}

// of is " in " and the title, or nothing for the file.
func (s *section) of() string {
	if s.title == "" {
		return ""
	}
	return " in " + s.title
}

// parse makes out the syntax. ok is false if it could not.
func (d *decoder) parse() (b hcl.Body, ok bool) {
	var file *hcl.File
	var diags hcl.Diagnostics
	if d.isJSON {
		file, diags = json.Parse(d.src, d.filename)
	} else {
		file, diags = hclsyntax.ParseConfig(d.src, d.filename, hcl.InitialPos)
	}
	if diags.HasErrors() {
		if !d.isJSON && bytes.HasPrefix(bytes.TrimSpace(d.src), []byte("{")) {
			start := hcl.Range{Start: hcl.InitialPos, End: hcl.InitialPos}
			d.report(start, "name the file .json", "this looks like JSON")
			return nil, false
		}
		// What follows a syntax error is guesswork: one at a time.
		d.foreign(diags[:1])
		return nil, false
	}
	return file.Body, true
}

// decode fills the body to from the file, and goes on into its blocks.
func (d *decoder) decode(from hcl.Body, to *body, s *section) {
	s.at, s.each, s.bad = map[string]hcl.Range{}, map[string][]hcl.Range{}, map[string]bool{}
	attributes, blocks := d.content(from, to)
	for _, a := range attributes {
		if i := slices.IndexFunc(to.fields, func(f field) bool { return f.name == a.Name }); i >= 0 {
			d.argument(a, to.fields[i], s)
		} else {
			d.unknown("argument", a.Name, a.NameRange, to, s)
		}
	}
	for _, f := range to.fields {
		if _, given := s.at[f.name]; f.required && !given && !s.bad[f.name] {
			d.report(s.where, "add "+f.name+": "+f.doc, "missing argument %q%s", f.name, s.of())
		}
	}
	d.blocks(blocks, to, s)
	if to.check != nil {
		to.check(d, s)
	}
}

// content lists what stands in a body, in file order. All of it is listed:
// what is unknown gets a better message from here than from the HCL library.
func (d *decoder) content(from hcl.Body, to *body) (attributes []*hcl.Attribute, blocks []*hcl.Block) {
	if native, ok := from.(*hclsyntax.Body); ok {
		for _, a := range native.Attributes {
			attributes = append(attributes, a.AsHCLAttribute())
		}
		for _, b := range native.Blocks {
			blocks = append(blocks, b.AsHCLBlock())
		}
	} else {
		attributes, blocks = d.contentJSON(from, to)
	}
	slices.SortFunc(attributes, func(a, b *hcl.Attribute) int { return a.Range.Start.Byte - b.Range.Start.Byte })
	return attributes, blocks
}

// contentJSON is content for JSON, where only the description tells whether a
// property is an argument or a block.
func (d *decoder) contentJSON(from hcl.Body, to *body) (attributes []*hcl.Attribute, blocks []*hcl.Block) {
	properties, diags := from.JustAttributes()
	d.foreign(diags)
	d.incomplete = d.incomplete || diags.HasErrors()
	for name, property := range properties {
		kinds := to.kinds(name)
		if len(kinds) == 0 {
			attributes = append(attributes, property)
			continue
		}
		header := hcl.BlockHeaderSchema{Type: name, LabelNames: []string{"name"}[:kinds[0].form.labels()]}
		content, _, diags := from.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{header}})
		if diags.HasErrors() {
			// The library tells of labels, which JSON does not have.
			d.report(property.NameRange, "write "+kinds[0].example(true), "%q must be %s", name, kinds[0].shape())
			d.incomplete = true
		}
		blocks = append(blocks, content.Blocks...)
	}
	slices.SortStableFunc(blocks, func(a, b *hcl.Block) int { return a.TypeRange.Start.Byte - b.TypeRange.Start.Byte })
	return attributes, blocks
}

// blocks decodes each block by its description.
func (d *decoder) blocks(blocks []*hcl.Block, to *body, outer *section) {
	lines := map[string]int{} // where the blocks that can't come again stand
	for _, b := range blocks {
		kinds := to.kinds(b.Type)
		if len(kinds) == 0 {
			d.unknown("block", b.Type, b.TypeRange, to, outer)
			continue
		}
		if !d.labels(b, kinds) {
			d.incomplete = true
			continue
		}
		inner := outer.enter(b)
		key := b.Type
		if kinds[0].form == named {
			key = inner.title
		}
		if line, ok := lines[key]; ok && kinds[0].form != many {
			d.report(inner.where, "", "a second %s%s; the first is on line %d", key, outer.of(), line)
			continue
		}
		lines[key] = inner.where.Start.Line
		d.decode(b.Body, inner.open(kinds), inner)
	}
}

// enter makes the section of a block within s.
func (s *section) enter(b *hcl.Block) *section {
	inner := &section{title: b.Type, where: b.DefRange}
	if len(b.Labels) > 0 {
		inner.label = b.Labels[0]
		inner.title += " " + strconv.Quote(inner.label)
	}
	if s.title != "" {
		inner.title += " of " + s.title
	}
	if _, native := b.Body.(*hclsyntax.Body); !native {
		// In JSON all blocks of an array have one DefRange: the label is
		// better, or the end, which is where something can be added.
		inner.where = b.Body.MissingItemRange()
		if len(b.LabelRanges) > 0 {
			inner.where = b.LabelRanges[0]
		}
	}
	return inner
}

// open begins the block of the section: the one of its kinds that has the
// section's label.
func (s *section) open(kinds []block) *body {
	chosen := kinds[0]
	s.elsewhere = map[string]string{}
	for _, k := range kinds {
		if k.kind == s.label {
			chosen = k
			continue
		}
		if k.form == ofKind {
			// To be told that "urls" is unknown would be puzzling to somebody
			// who has just read of it.
			for _, f := range k.open(s).fields {
				s.elsewhere[f.name] = k.title()
			}
		}
	}
	return chosen.open(s) // last, since opening sets defaults
}
