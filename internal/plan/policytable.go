package plan

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// policyTable is the desired policy by target: the source, then (global) where
// the manifest speaks of it.
func (b *builder) policyTable(p policies, id result.Identity) []TargetPolicy {
	source := TargetPolicy{Target: id.String(), Values: values(p.resolved.Desired, policy.SourceTarget(id))}
	table := []TargetPolicy{source}
	if !p.named {
		return table
	}
	global := TargetPolicy{Target: string(policy.Global), Values: values(p.resolved.Desired, policy.Global)}
	switch {
	case p.unread:
		global.Note = "set by " + b.policyObject() + ", key " + p.global + ", which only the mover reads"
	case len(global.Values) == 0:
		global.Note = "unchanged: " + b.policyObject() + ", key " + p.global + ", is missing, empty or cannot be used"
	}
	return append(table, global)
}

// policyObject names the object that holds the policy files.
func (b *builder) policyObject() string {
	if name := b.kopia.PolicyConfig.SecretName; name != "" {
		return "secret/" + name
	}
	return "configmap/" + b.kopia.PolicyConfig.ConfigMapName
}

// values are the desired values of one target; what is there now is unknown until
// a probe has asked the repository, see AddProbe.
func values(desired policy.Desired, target policy.Target) []PolicyValue {
	var out []PolicyValue
	for _, v := range desired.Values(target) {
		out = append(out, PolicyValue{Path: v.Path, After: v.JSON, Sensitive: v.Sensitive, From: v.From})
	}
	return out
}

// arguments is the table of additionalArgs.
func arguments(p policies) []Argument {
	var out []Argument
	for _, a := range p.args.Arguments {
		out = append(out, Argument{Index: a.Index, Raw: a.Raw, Class: string(a.Class), Applied: a.Applied})
	}
	return out
}
