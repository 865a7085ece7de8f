package validate

import (
	"fmt"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// policyConfig judges the inline configuration and remembers the policy files.
func (c *check) policyConfig(p *spec.PolicyConfig) {
	const at = "spec.kopia.policyConfig"
	if p == nil {
		return
	}
	if hasStructured(p) {
		c.structured(*p.RepositoryConfig)
	}
	name, field, configMap := p.SecretName, at+".secretName", false
	if name == "" {
		name, field, configMap = p.ConfigMapName, at+".configMapName", true
	}
	files := p.GlobalPolicyFilename != "" || p.RepositoryConfigFilename != ""
	switch {
	case name == "" && c.unread(at, "secretName", "configMapName", "repositoryConfig"):
		return
	case name == "" && files:
		c.fail("VK143", at, "policyConfig gives file names and names neither a Secret nor a ConfigMap that holds the files",
			"set configMapName or secretName")
		return
	case name == "" && !hasStructured(p):
		c.warn("VK143", at, "policyConfig is empty and has no effect", "set configMapName, secretName or repositoryConfig, or remove it")
		return
	case name == "" || p.SecretName != "" && p.ConfigMapName != "":
		return
	}
	global, repository := spec.FileNames(p)
	if global == repository {
		path := at + ".repositoryConfigFilename"
		if p.RepositoryConfigFilename == "" {
			path = at + ".globalPolicyFilename"
		}
		c.fail("VK173", path, quoted(global)+" is the name of both files, and no text is both a global policy and a repository configuration",
			"give the two files two names")
		return
	}
	c.refer(reference{
		kind: policyReference, path: field, name: name, configMap: configMap,
		keys: [2]wantedKey{
			c.policyKey(global, at+".globalPolicyFilename", p.GlobalPolicyFilename != ""),
			c.policyKey(repository, at+".repositoryConfigFilename", p.RepositoryConfigFilename != ""),
		},
	})
}

func (c *check) policyKey(name, path string, given bool) wantedKey {
	if !given {
		return wantedKey{name: name}
	}
	return wantedKey{name: name, path: path, position: c.doc.Position(path)}
}

// structured judges policyConfig.repositoryConfig.
func (c *check) structured(text string) {
	const path = "spec.kopia.policyConfig.repositoryConfig"
	f := policyFile{label: "policyConfig.repositoryConfig", path: path, doc: c.doc, schema: structuredConfigSchema}
	d, syntax := policy.ParseDocument(f.label, []byte(text))
	if syntax != nil {
		// The text may say where the repository is, so no mode continues without it.
		n := syntax.Note()
		n.Final = true
		c.v.policyNote(f, n)
		return
	}
	in := policy.Inputs{Structured: d}
	if c.doc.Source != nil {
		in.Source = policy.SourceTarget(result.Identity{}) // any: some keys do not fit a single one
	}
	notes := policy.Resolve(in, c.v.names).Notes
	c.v.policyNotes(f, d, []byte(text), notes)
}

// repositoryConfigFile is the index of that file among a reference's keys; the
// global policy is the other one.
const repositoryConfigFile = 1

// policyFile is one policy document of the input.
type policyFile struct {
	// label is its name for people; path the field that holds its text in doc.
	label, path string
	doc         *spec.Document
	schema      string
}

// policyFiles judges the two files of a ConfigMap or Secret: that they are
// there for each reference, what they hold once.
func (v *Validator) policyFiles(r *reference, target *spec.Document, seen map[string]bool) {
	for i, key := range r.keys {
		if target.UnreadKey(key.name) {
			continue // as spec.Parse has said
		}
		content, ok := contentOf(target, key.name)
		if !ok {
			v.missingPolicyFile(r, target, key)
			continue
		}
		f := policyFile{label: key.name, path: target.DataPath(key.name), doc: target, schema: globalPolicySchema}
		if i == repositoryConfigFile {
			f.schema = repositoryConfigSchema
		}
		if once(seen, fmt.Sprintf("policy %p %q %s", target, key.name, f.schema)) {
			v.policyFile(f, content)
		}
	}
}

// policyFile judges one file.
func (v *Validator) policyFile(f policyFile, content []byte) {
	d, syntax := policy.ParseDocument(f.label, content)
	if syntax != nil {
		v.policyNote(f, syntax.Note())
		return
	}
	in := policy.Inputs{Global: d, FromSecret: f.doc.Secret != nil}
	if f.schema == repositoryConfigSchema {
		in.Global, in.RepositoryConfig = nil, d
	}
	v.policyNotes(f, d, content, policy.Resolve(in, v.names).Notes)
}

func (v *Validator) missingPolicyFile(r *reference, target *spec.Document, key wantedKey) {
	if key.named() {
		v.reportAt(r, v.policySeverity(problem.Error), key, problem.Problem{
			Code: "VK139", Message: target.Object() + " has no key " + quoted(key.name), Fix: keysOf(target),
		})
		return
	}
	v.reportAt(r, problem.Info, key, problem.Problem{
		Code: "VK140", Message: target.Object() + " has no key " + quoted(key.name) + ", the default name; nothing is set by it",
	})
}

// policyNotes reports what package policy has to say about one file, and then
// what its schema says about the places that policy was silent about.
func (v *Validator) policyNotes(f policyFile, d *policy.Document, content []byte, notes []policy.Note) {
	told := map[string]bool{}
	for _, n := range notes {
		if n.File == f.label {
			told[n.Pointer] = true
			v.policyNote(f, n)
		}
	}
	value, err := decodeJSON(content)
	if err != nil {
		return // ParseDocument has accepted it, so this cannot be
	}
	broken, err := v.schemas.check(f.schema, ordinary(value))
	if err != nil {
		v.policyNote(f, policy.Note{Code: "VK190", Severity: problem.Error, Message: "the file cannot be judged: " + err.Error()})
		return
	}
	for _, b := range broken {
		if toldOf(told, b.pointer) {
			continue
		}
		p := b.problem()
		line, column := d.Position(b.pointer)
		v.policyNote(f, policy.Note{
			Code: p.Code, Severity: problem.Error, Pointer: b.pointer, Line: line, Column: column, Message: p.Message, Fix: p.Fix,
		})
	}
}

// toldOf reports whether there is a note at the pointer or around it.
func toldOf(told map[string]bool, pointer string) bool {
	for {
		if told[pointer] {
			return true
		}
		cut := strings.LastIndexByte(pointer, '/')
		if cut < 0 {
			return false
		}
		pointer = pointer[:cut]
	}
}

// policyNote gives a note its place in the input file.
func (v *Validator) policyNote(f policyFile, n policy.Note) {
	p := problem.Problem{
		Code: n.Code, Severity: n.Severity, Object: f.doc.Object(),
		Path: strings.TrimSuffix(f.label+" "+n.Pointer, " "), Message: n.Message, Fix: n.Fix,
	}
	if !n.Final {
		p.Severity = v.policySeverity(n.Severity)
	}
	if n.Line > 0 {
		p.Position = f.doc.PositionIn(f.path, n.Line, n.Column)
	} else {
		p.Position = f.doc.Position(f.path)
	}
	v.found = append(v.found, p)
}

// policySeverity makes an unusable policy a warning where the run would go on
// without it.
func (v *Validator) policySeverity(s problem.Severity) problem.Severity {
	if s == problem.Error && v.opts.PolicyErrors == result.PolicyErrorsWarn {
		return problem.Warning
	}
	return s
}
