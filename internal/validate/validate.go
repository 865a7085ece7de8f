package validate

import (
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Options say what the manifests are judged against. The zero value is usable.
type Options struct {
	// KopiaVersion is the kopia that will run, as "0.22.3"; empty means
	// argv.DefaultVersion.
	KopiaVersion string
	// PolicyErrors says what a policy file that cannot be read is: an error
	// (PolicyErrorsFail, also when empty) or a warning.
	PolicyErrors result.PolicyErrorMode
	// RepositoryDir is a directory that stands in for the repository of the documents
	// that leave its place to the Secret; empty: none does.
	RepositoryDir string
}

// Validator judges documents one after the other and keeps only what a later
// document may need: Secrets and ConfigMaps whole, of every other document its
// references and its identity, a few hundred bytes. It serves inputs of any
// length; use New, Add and Finish in this order, from one goroutine.
type Validator struct {
	opts    Options
	table   *argv.Table
	names   policy.Names
	schemas *schemas

	secrets, configMaps objects
	references          []reference
	identities          map[identityKey][]place
	found               problem.List
	// inSecrets are those of found that name a key of a Secret.
	inSecrets map[problem.Problem]bool
}

// New returns a Validator for one input.
func New(opts Options) *Validator {
	if opts.KopiaVersion == "" {
		opts.KopiaVersion = argv.DefaultVersion
	}
	return &Validator{
		opts:       opts,
		table:      argv.TableFor(opts.KopiaVersion),
		names:      policy.NamesFor(opts.KopiaVersion),
		schemas:    newSchemas(),
		secrets:    newObjects(),
		configMaps: newObjects(),
		inSecrets:  map[problem.Problem]bool{},
		identities: map[identityKey][]place{},
	}
}

// Set judges a whole set at once: every problem that spec.Parse has not already
// reported, in stable order.
func Set(set *spec.Set, opts Options) problem.List {
	v := New(opts)
	for _, d := range set.Documents {
		v.Add(d)
	}
	return v.Finish()
}

// Add judges what the document tells by itself and remembers what it refers to.
func (v *Validator) Add(d *spec.Document) {
	c := &check{v: v, doc: d}
	switch {
	case d.Source != nil:
		c.schema(replicationSourceSchema, d.Source)
		c.source(d.Source)
	case d.Destination != nil:
		c.schema(replicationDestinationSchema, d.Destination)
		c.destination(d.Destination)
	case d.Maintenance != nil:
		c.schema(kopiaMaintenanceSchema, d.Maintenance)
		c.maintenance(d.Maintenance)
	case d.Secret != nil:
		v.secrets.add(d)
		c.secretSize(d.Secret)
	case d.ConfigMap != nil:
		v.configMaps.add(d)
		c.configMapSize(d.ConfigMap)
	}
}

// Finish judges what needs all documents and returns every problem found, in
// stable order.
func (v *Validator) Finish() problem.List {
	v.resolveReferences()
	v.collisions()
	v.sharedUpkeep()
	v.unusedSecrets()
	v.found.Sort()
	return v.found
}

// check judges one document.
type check struct {
	v   *Validator
	doc *spec.Document
}

// report keeps a problem, unless its field could not be read: spec.Parse has said so, and
// what stands in its place was written by nobody.
func (c *check) report(s problem.Severity, p problem.Problem) {
	if c.doc.Unread(p.Path) {
		return
	}
	p.Severity = s
	if p.Position == (problem.Position{}) {
		p.Position = c.doc.Position(p.Path)
	}
	p.Object = c.doc.Object()
	c.v.found = append(c.v.found, p)
}

func (c *check) fail(code, path, message, fix string) {
	c.report(problem.Error, problem.Problem{Code: code, Path: path, Message: message, Fix: fix})
}

// unread reports whether one of an object's fields stands in the manifest and could not
// be read: to call it missing would be false.
func (c *check) unread(at string, fields ...string) bool {
	return slices.ContainsFunc(fields, func(field string) bool { return c.doc.Unread(at + "." + field) })
}

func (c *check) warn(code, path, message, fix string) {
	c.report(problem.Warning, problem.Problem{Code: code, Path: path, Message: message, Fix: fix})
}

func (c *check) note(code, path, message, fix string) {
	c.report(problem.Info, problem.Problem{Code: code, Path: path, Message: message, Fix: fix})
}
