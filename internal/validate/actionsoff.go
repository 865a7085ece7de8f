package validate

import (
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const (
	// actionsReference is to the file that may turn a source's actions off.
	actionsReference referenceKind = caReference + 1
	actionsField                   = "spec.kopia.actions"
)

// actionsOff finds actions that the manifest's own configuration turns off. The
// inline configuration has the last word over the file.
func (c *check) actionsOff(k *spec.KopiaSource) {
	a, p := k.Actions, k.PolicyConfig
	if p == nil || a == nil || a.BeforeSnapshot == "" && a.AfterSnapshot == "" {
		return
	}
	if hasStructured(p) {
		const label = "policyConfig.repositoryConfig"
		if d, syntax := policy.ParseDocument(label, []byte(*p.RepositoryConfig)); syntax == nil {
			if enabled := c.v.enableActions(policy.Inputs{Structured: d}); enabled != nil {
				if !*enabled {
					c.report(problem.Info, turnedOff(label))
				}
				return
			}
		}
	}
	name, configMap := p.SecretName, false
	if name == "" {
		name, configMap = p.ConfigMapName, true
	}
	if name == "" || p.SecretName != "" && p.ConfigMapName != "" {
		return
	}
	_, file := spec.FileNames(p)
	c.refer(reference{kind: actionsReference, path: actionsField, name: name, configMap: configMap, keys: [2]wantedKey{{name: file}}})
}

// actionsFile judges the file that a source with actions refers to.
func (v *Validator) actionsFile(r *reference, target *spec.Document) {
	file := r.keys[0].name
	content, ok := contentOf(target, file)
	if !ok {
		return
	}
	d, syntax := policy.ParseDocument(file, content)
	if syntax != nil {
		return // policyFile has said so
	}
	if enabled := v.enableActions(policy.Inputs{RepositoryConfig: d, FromSecret: target.Secret != nil}); enabled != nil && !*enabled {
		v.reportAt(r, problem.Info, wantedKey{}, turnedOff(file))
	}
}

// enableActions is what one document says; nil: nothing, or it has an error and
// is not used.
func (v *Validator) enableActions(in policy.Inputs) *bool {
	out := policy.Resolve(in, v.names)
	if slices.ContainsFunc(out.Notes, func(n policy.Note) bool { return n.Severity == problem.Error }) {
		return nil
	}
	return out.EnableActions
}

// turnedOff says it without the value, which may be a Secret's.
func turnedOff(document string) problem.Problem {
	return problem.Problem{
		Code: "VK318", Path: actionsField, Message: "the actions are not run: " + document + " turns them off (enableActions)",
		Fix: "set enableActions to true, or remove the actions",
	}
}
