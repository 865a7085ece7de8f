package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// structuredLabel is how findings name policyConfig.repositoryConfig.
const structuredLabel = "policyConfig.repositoryConfig"

// policies is what the manifest says about policies and arguments, worked out.
type policies struct {
	resolved policy.Resolution
	args     argv.Classification
	inline   []result.PolicyLayer
	// structured is valid JSON that is used, or nil; structuredErrors say why
	// there is text that is not.
	structured       json.RawMessage
	structuredErrors []string
	sha256           map[string]string
	global           string
	config           string
	// required are those of the two file names that the manifest itself gives.
	required   []string
	fromSecret bool
	named      bool // the manifest names a ConfigMap or Secret
	// object is the one that is named, as ConfigMap "policies".
	object string
	// unread is true when the files' content is not known to the plan, though
	// the files are there.
	unread bool
}

// decidePolicies resolves the policies from the same inputs that the mover
// will have, as far as they may be read here.
func (b *builder) decidePolicies(id result.Identity) policies {
	version := b.in.Env.KopiaVersion
	if version == "" {
		version = argv.DefaultVersion
	}
	p := policies{args: argv.Classify(b.kopia.AdditionalArgs, argv.TableFor(version),
		argv.Options{Operation: result.OperationBackup, Parallelism: b.kopia.Parallelism})}
	b.merge(b.placed(p.args.Problems))
	p.inline = append(inlineLayers(b.kopia), p.args.Layers...)
	in := policy.Inputs{Source: policy.SourceTarget(id), Inline: p.inline, AllowActions: b.in.Options.AllowPolicyActions}
	if config := b.kopia.PolicyConfig; config != nil {
		b.policyFiles(config, &p, &in)
		if config.RepositoryConfig != nil {
			if in.Structured = b.structured(*config.RepositoryConfig); in.Structured != nil {
				p.structured = compacted(*config.RepositoryConfig)
			}
		}
	}
	in.FromSecret = p.fromSecret
	in.Manual = b.manualConfig()
	b.resolve(in, policy.NamesFor(version), &p)
	b.actionsOff = p.resolved.EnableActions != nil && !*p.resolved.EnableActions
	return p
}

// compacted is the text as it travels in the Task; it is known to be JSON.
func compacted(text string) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return nil
	}
	return out.Bytes()
}

// inlineLayers are the policies of the manifest's own fields, lowest first.
func inlineLayers(k *spec.KopiaSource) []result.PolicyLayer {
	var layers []result.PolicyLayer
	if r := k.Retain; r != nil {
		retention := map[string]int32{}
		for key, n := range map[string]*int32{
			"keepHourly": r.Hourly, "keepDaily": r.Daily, "keepWeekly": r.Weekly,
			"keepMonthly": r.Monthly, "keepAnnual": r.Yearly, "keepLatest": r.Latest,
		} {
			if n != nil {
				retention[key] = *n
			}
		}
		layers = appendLayer(layers, "spec.kopia.retain", map[string]any{"retention": retention})
	}
	if k.Compression != "" {
		layers = appendLayer(layers, "spec.kopia.compression",
			map[string]any{"compression": map[string]string{"compressorName": k.Compression}})
	}
	return layers
}

// appendLayer adds one layer. Maps of strings and numbers always encode.
func appendLayer(layers []result.PolicyLayer, from string, p map[string]any) []result.PolicyLayer {
	data, err := json.Marshal(p)
	if err != nil {
		return layers
	}
	return append(layers, result.PolicyLayer{From: from, Policy: data})
}

// document parses a policy document; a broken one is a finding and nil.
func (b *builder) document(name string, data []byte) *policy.Document {
	doc, syntax := policy.ParseDocument(name, data)
	if syntax != nil {
		b.note(syntax.Note())
		return nil
	}
	return doc
}

// structured parses the inline configuration. Text that is no JSON is an error
// in every mode: nobody knows which repository it means.
func (b *builder) structured(text string) *policy.Document {
	doc, syntax := policy.ParseDocument(structuredLabel, []byte(text))
	if syntax != nil {
		n := syntax.Note()
		n.Final = true
		b.note(n)
		return nil
	}
	return doc
}

// manualConfig is the KOPIA_MANUAL_CONFIG of a local run's Secret; on a cluster
// only the mover reads it.
func (b *builder) manualConfig() *policy.Document {
	if b.in.Env.Local == nil {
		return nil
	}
	doc := b.inputSecret(b.kopia.Repository)
	if doc == nil || doc.Secret.Data["KOPIA_MANUAL_CONFIG"].Empty() {
		return nil
	}
	return b.document("KOPIA_MANUAL_CONFIG", doc.Secret.Data["KOPIA_MANUAL_CONFIG"].Reveal())
}

// note turns a policy note into a finding, unless validation gave it.
func (b *builder) note(n policy.Note) {
	p := problem.Problem{
		Code: n.Code, Severity: n.Severity, Object: b.in.Document.Object(),
		Path:    strings.TrimSuffix(n.File+" "+n.Pointer, " "),
		Message: n.Message, Fix: n.Fix,
	}
	if !n.Final {
		p.Severity = b.policySeverity(n.Severity)
	}
	switch {
	case n.File == structuredLabel:
		p.Position = b.in.Document.PositionIn("spec.kopia.policyConfig.repositoryConfig", n.Line, n.Column)
	case strings.HasPrefix(n.File, "spec."):
		// The layer of a field or argument is this program's own text.
		p.Path, p.Position = n.File, b.in.Document.Position(n.File)
		if b.judged(p) {
			return
		}
	default:
		p.Position = problem.Position{File: n.File, Line: n.Line, Column: n.Column}
	}
	b.merge(problem.List{p})
}

// judged reports whether validation has a finding of that weight about the field,
// in its own words.
func (b *builder) judged(p problem.Problem) bool {
	return slices.ContainsFunc(b.in.Findings, func(told problem.Problem) bool {
		return told.Path == p.Path && told.Severity == p.Severity && told.Object == p.Object
	})
}

// placed gives argument problems their positions.
func (b *builder) placed(list problem.List) problem.List {
	out := make(problem.List, len(list))
	for i, p := range list {
		p.Object, p.Position = b.in.Document.Object(), b.in.Document.Position(p.Path)
		out[i] = p
	}
	return out
}

// policySeverity makes policy errors warnings where the user asked for it.
func (b *builder) policySeverity(s problem.Severity) problem.Severity {
	if s == problem.Error && b.in.Options.PolicyErrors == result.PolicyErrorsWarn {
		return problem.Warning
	}
	return s
}
