package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Target names whose policy is meant, in kopia's own form.
type Target string

// Global is the policy that every source of a repository inherits.
const Global Target = "(global)"

// SourceTarget returns the target of one source's own policy.
func SourceTarget(id result.Identity) Target { return Target(id.String()) }

// Inputs are all the places of a manifest that speak of policies.
type Inputs struct {
	// Source is the policy of this source; empty: only the other settings are
	// wanted, as for a restore.
	Source Target
	// Global and RepositoryConfig are the two policy files, Structured is
	// spec.kopia.policyConfig.repositoryConfig, Manual is the repository
	// Secret's KOPIA_MANUAL_CONFIG; nil: not given. Their names are shown as
	// the origin of values.
	Global, RepositoryConfig, Structured, Manual *Document
	// Inline are the manifest's own fields and arguments, lowest first.
	Inline []result.PolicyLayer
	// FromSecret is true when Global and RepositoryConfig come from a Secret:
	// their values appear in no note, value or change. Those of Manual never do.
	FromSecret bool
	// AllowActions keeps kopia's own actions that the files hold.
	AllowActions bool
}

// Resolution is everything that follows from Inputs.
type Resolution struct {
	Desired Desired
	// Limits come from repository.config or the structured configuration.
	Limits result.Limits
	// EnableActions is nil when no document says it.
	EnableActions *bool
	// ActionTimeout is 0 when no document says it.
	ActionTimeout time.Duration
	Creation      CreationOptions
	Caching       Caching
	Maintenance   Maintenance
	// Storage is the structured storage verbatim (type and config; see
	// BackendType), nil when there is none or when it holds a credential.
	Storage json.RawMessage
	// RestoreParallel is for restores; 0: not given.
	RestoreParallel int
	// Origins names the document of each setting that is no policy; one that no
	// document gives is absent.
	Origins map[Setting]Origin
	// Notes are in order of file and position.
	Notes []Note
}

// Resolve reads every document, checks it against the names of a kopia
// version, and layers the result: creation values lowest, then the global
// file, the structured policies, and the manifest's own fields. What cannot be
// used is left out and named by a note; with an error among the notes the
// rest must not be applied.
func Resolve(in Inputs, names Names) Resolution {
	r := &resolver{in: in, names: names}
	return r.resolve()
}

func (r *resolver) resolve() Resolution {
	in := r.in
	manual := r.read(in.Manual, manualRules(), true)
	global := r.read(in.Global, policyRules(), in.FromSecret)
	config := r.read(in.RepositoryConfig, repositoryRules(), in.FromSecret)
	structured := r.structured(in.Structured)
	for _, found := range []settings{manual, config, global, structured} {
		r.out.configure(found)
	}
	r.out.Desired = Desired{source: in.Source, targets: map[Target]settings{}, fromSecret: in.FromSecret}
	if in.Global != nil {
		r.out.Desired.targets[Global] = global.policyOnly()
	}
	if in.Source != "" {
		r.out.Desired.targets[in.Source] = r.source(manual, global, structured)
	}
	r.out.Notes = sortNotes(r.notes)
	return r.out
}

type resolver struct {
	in    Inputs
	names Names
	notes []Note
	// errors are those of each document.
	errors map[*Document][]Note
	out    Resolution
}

// collect keeps what the walker has to say about its document.
func (r *resolver) collect(w *walker) {
	r.notes = append(r.notes, w.notes...)
	for _, n := range w.notes {
		if n.Severity != problem.Error {
			continue
		}
		if r.errors == nil {
			r.errors = map[*Document][]Note{}
		}
		r.errors[w.doc] = append(r.errors[w.doc], n)
	}
}

func (r *resolver) walker(doc *Document, sensitive bool) *walker {
	return &walker{doc: doc, names: r.names, allowActions: r.in.AllowActions, sensitive: sensitive}
}

func (r *resolver) read(doc *Document, grammar map[string]rule, sensitive bool) settings {
	if doc == nil {
		return settings{}
	}
	w := r.walker(doc, sensitive)
	w.read(grammar)
	r.collect(w)
	return w.found
}

func (r *resolver) structured(doc *Document) settings {
	if doc == nil {
		return settings{}
	}
	w := r.walker(doc, false)
	w.read(structuredRules())
	r.out.Storage = w.place()
	r.collect(w)
	return w.found
}

// source layers what the source's own policy says.
func (r *resolver) source(manual, global, structured settings) settings {
	layers := settings{}
	for path, s := range manual.policyOnly() {
		// The global file wins over values for creation, and a value on the
		// source would hide it.
		if _, taken := global[path]; !taken {
			layers[path] = s
		}
	}
	maps.Copy(layers, r.fitting(r.in.Structured, structured))
	for _, layer := range r.in.Inline {
		found := r.inline(layer)
		layers.inherit(global, found)
		layers.add(found)
	}
	return layers
}

// inherit starts a list of the source with that of the global file. A list of
// files in a source's own policy hides the inherited one in kopia, and one
// more --ignore must not undo what the global file says; where the file does not
// name the list, it is the repository's that must not be undone.
func (s settings) inherit(global, higher settings) {
	for _, path := range inheritedLists() {
		_, exists := s[path]
		own, wanted := higher[path]
		if exists || !wanted {
			continue
		}
		if inherited, ok := global[path]; ok {
			s[path] = inherited
			continue
		}
		own.extends = true
		higher[path] = own
	}
}

// inheritedLists are the lists that a source extends instead of hiding them.
func inheritedLists() []string { return []string{"files.ignore", "files.ignoreDotFiles"} }

func (r *resolver) inline(layer result.PolicyLayer) settings {
	doc, err := ParseDocument(layer.From, layer.Policy)
	if err != nil {
		r.notes = append(r.notes, err.Note())
		return nil
	}
	w := r.walker(doc, false)
	w.unplaced, w.allowActions = true, false
	w.read(policyRules())
	r.notes = append(r.notes, w.notes...)
	return r.fitting(doc, w.found)
}

// fitting leaves out what kopia refuses on one path.
func (r *resolver) fitting(doc *Document, found settings) settings {
	policies := found.policyOnly()
	if s, ok := policies[toParallelSnapshots]; ok {
		w := r.walker(doc, false)
		w.note(codeWrongTarget, problem.Warning, s.pointer,
			`"maxParallelSnapshots" is refused by kopia on a single path and is left out`, "set it in the global policy file")
		r.notes = append(r.notes, w.notes...)
		delete(policies, toParallelSnapshots)
	}
	return policies
}

func (s settings) policyOnly() settings {
	policies := settings{}
	for to, v := range s {
		if !strings.HasPrefix(to, "#") {
			policies[to] = v
		}
	}
	return policies
}

// add puts a higher layer over s. Lists grow: each argument names one more
// pattern, and none of them takes back what the configuration says.
func (s settings) add(higher settings) {
	for path, v := range higher {
		old, exists := s[path]
		list, isList := v.value.([]any)
		below, wasList := old.value.([]any)
		if exists && isList && wasList {
			v.value = union(below, list)
			v.sensitive = v.sensitive || old.sensitive
			v.extends = v.extends || old.extends
			if old.from != v.from {
				v.from = old.from + ", " + v.from
			}
		}
		s[path] = v
	}
}

func union(a, b []any) []any {
	all := slices.Clone(a)
	for _, item := range b {
		if !slices.Contains(all, item) {
			all = append(all, item)
		}
	}
	return all
}
