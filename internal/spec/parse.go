package spec

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// Input is one file of manifests.
type Input struct {
	// Name is the file's name as positions show it; "-" is shown as "<stdin>".
	Name string
	Data []byte
}

// Options say how input is read; the zero value reads it as it is.
type Options struct {
	// Envsubst expands ${VAR}, ${VAR:-x} and the other forms that Flux knows.
	Envsubst bool
	// Lookup returns a variable's value and whether it is set; nil sets none.
	Lookup func(name string) (string, bool)
}

// Parse reads all inputs. It returns every document that was understood, in the
// order of the input, and all problems in their stable order; it never stops at
// the first. Inputs without any object that this tool reads are an error.
//
// Parse keeps everything in memory; to go through many files one by one, use a
// Parser.
func Parse(inputs []Input, opts Options) (*Set, problem.List) {
	p := NewParser(opts)
	all := &Set{}
	var problems problem.List
	for _, in := range inputs {
		set, found := p.Parse(in)
		all.Documents = append(all.Documents, set.Documents...)
		problems = append(problems, found...)
	}
	problems = append(problems, p.Close()...)
	problems.Sort()
	return all, problems
}

// Parser reads inputs one by one. Between them it keeps only what it needs to
// find objects that are defined twice: their names and positions. It is not safe
// for concurrent use.
type Parser struct {
	opts   Options
	schema *schema
	seen   map[objectKey]problem.Position
	first  string
	// explained is true once an object was read or an error was found; then Close
	// does not report that the input holds nothing.
	explained bool
}

type objectKey struct{ kind, namespace, name string }

// NewParser returns a Parser for any number of inputs.
func NewParser(opts Options) *Parser {
	if opts.Lookup == nil {
		opts.Lookup = func(string) (string, bool) { return "", false }
	}
	return &Parser{opts: opts, schema: newSchema(), seen: make(map[objectKey]problem.Position)}
}

// Close returns what can be said only after the last input: that none of them
// held anything to read.
func (p *Parser) Close() problem.List {
	if p.explained {
		return nil
	}
	return problem.List{{
		Code:     codeNothing,
		Severity: problem.Error,
		Position: problem.Position{File: p.first},
		Message:  "the input holds no ReplicationSource, ReplicationDestination, KopiaMaintenance, Secret or ConfigMap",
		Fix:      "name a file that holds the manifest of a backup",
	}}
}

// Parse reads one input. The returned problems are in their stable order.
func (p *Parser) Parse(in Input) (*Set, problem.List) {
	r := &reader{Parser: p, file: in.Name}
	if r.file == "-" {
		r.file = "<stdin>"
	}
	if p.first == "" {
		p.first = r.file
	}
	r.read(in.Data)
	r.problems.Sort()
	p.explained = p.explained || len(r.documents) > 0 || r.problems.HasErrors()
	return &Set{Documents: r.documents}, r.problems
}

// reader reads one input.
type reader struct {
	*Parser
	file      string
	documents []*Document
	problems  problem.List
}

func (r *reader) read(data []byte) {
	if len(data) > MaxInputSize {
		r.reject(0, finding{
			code:    codeLimit,
			message: fmt.Sprintf("the file has more than %d MiB, the most that is read of one; nothing in it was looked at", MaxInputSize>>20),
			fix:     "split it into several files of whole documents, and give each with -f, or their directory",
		})
		return
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		line := 1 + bytes.Count(data[:invalidAt(data)], []byte("\n"))
		r.reject(line, finding{code: codeSyntax, message: notYAML + ": not UTF-8 text", fix: "save the file as UTF-8"})
		return
	}
	chunks := split(data)
	if len(chunks) == 0 {
		r.reject(0, finding{
			code:     codeEmpty,
			severity: problem.Warning,
			message:  "the file is empty or holds comments only",
		})
	}
	for _, c := range chunks {
		r.chunk(c)
	}
}

func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// reject reports a problem of the file; line 0 is the whole of it.
func (r *reader) reject(line int, f finding) {
	if f.severity == "" {
		f.severity = problem.Error
	}
	r.problems = append(r.problems, problem.Problem{
		Code:     f.code,
		Severity: f.severity,
		Position: problem.Position{File: r.file, Line: line},
		Message:  f.message,
		Fix:      f.fix,
	})
}

func (r *reader) chunk(c chunk) {
	if crowded(c.text) {
		r.reject(c.line+1, finding{code: codeLimit, message: errTooMany.Error(), fix: "split it into several documents"})
		return
	}
	c.text = jsonAsYAML(c.text)
	root, failure := parseYAML(c.text)
	if failure != nil {
		r.reject(c.line+failure.line, finding{code: codeSyntax, message: failure.message, fix: failure.fix})
		return
	}
	if isNull(root) {
		return
	}
	d := r.decoder(c, root)
	var m meter
	if at, err := m.check(root, 0, false); err != nil {
		d.report(at, nil, finding{code: codeLimit, message: err.Error(), fix: "write the document without these aliases or levels"})
		return
	}
	r.document(d)
}

func (r *reader) decoder(c chunk, root *yaml.Node) *decoder {
	return &decoder{
		schema:    r.schema,
		positions: &positions{file: r.file, chunk: c, root: root},
		problems:  &r.problems,
	}
}

// list reads the items of a List, as `kubectl get -o yaml` writes it.
func (r *reader) list(d *decoder) {
	_, items := lookup(d.positions.root, "items")
	if items = follow(items); isNull(items) {
		return
	}
	if items.Kind != yaml.SequenceNode {
		d.wrongType(items, top("items"), "a list")
		return
	}
	for _, item := range items.Content {
		if isNull(item) {
			continue
		}
		r.document(r.decoder(d.positions.chunk, follow(item)))
	}
}
