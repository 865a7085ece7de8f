package validate

import (
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// customCA judges the certificate's place and remembers it.
func (c *check) customCA(path string, ca *spec.CustomCA) {
	if ca == nil {
		return
	}
	name, configMap := ca.SecretName, false
	if name == "" {
		name, configMap = ca.ConfigMapName, true
	}
	switch {
	case name == "" && c.unread(path, "secretName", "configMapName"), name != "" && ca.Key == "" && c.unread(path, "key"):
	case name == "":
		c.fail("VK144", path, "customCA names neither a Secret nor a ConfigMap",
			"set secretName or configMapName, or remove customCA")
	case ca.Key == "":
		c.fail("VK144", path, "customCA.key is missing, the key of the certificate in "+quoted(name)+": without it VolSync uses no certificate and says nothing",
			"set key, as ca.crt")
	default:
		field := path + ".secretName"
		if configMap {
			field = path + ".configMapName"
		}
		c.refer(reference{
			kind: caReference, path: field, name: name, configMap: configMap,
			keys: [2]wantedKey{{name: ca.Key, path: path + ".key", position: c.doc.Position(path + ".key")}},
		})
	}
}

// customCAKey finds a certificate key that the object lacks.
func (v *Validator) customCAKey(r *reference, target *spec.Document) {
	key := r.keys[0]
	if _, ok := contentOf(target, key.name); ok || target.UnreadKey(key.name) {
		return
	}
	v.reportAt(r, problem.Error, key, problem.Problem{
		Code: "VK139", Message: target.Object() + " has no key " + quoted(key.name), Fix: keysOf(target),
	})
}

// compression judges the name of an algorithm.
func (c *check) compression(name string) {
	const path = "spec.kopia.compression"
	names := c.v.names
	reason, bad := names.BadCompressors[name]
	switch {
	case name == "":
	case bad:
		c.fail("VK132", path, quoted(name)+" does not work in kopia "+c.v.opts.KopiaVersion+": "+reason, "use zstd")
	case name == "s2":
		c.note("VK131", path, `"s2" is not a name that kopia knows; applied as "s2-default"`, `write "s2-default"`)
	case !slices.Contains(names.Compressors, name):
		message, fix := quoted(name)+" is not a compression that kopia "+c.v.opts.KopiaVersion+" knows", "use one of "+strings.Join(names.Compressors, ", ")
		if near := problem.Nearest(name, names.Compressors); near != "" {
			message += "; did you mean " + quoted(near) + "?"
			fix = "use " + quoted(near) + ", or another name that kopia knows"
		}
		c.fail("VK130", path, message, fix)
	}
}

// mostJudged is how many of additionalArgs are judged one by one.
const mostJudged = 10 * argv.MaxArguments

// arguments asks package argv about additionalArgs.
func (c *check) arguments(args []string, o argv.Options) {
	if len(args) == 0 {
		return
	}
	// More than that is one finding of its own (VK169); judging each would be slow.
	answer := argv.Classify(args[:min(len(args), mostJudged)], c.v.table, o)
	target := c.policyTarget()
	for _, p := range answer.Problems {
		isPolicy := slices.ContainsFunc(answer.Layers, func(l result.PolicyLayer) bool { return l.From == p.Path })
		if isPolicy && p.Severity == problem.Info && target != "" {
			p.Message += " on " + target
		}
		p.Position = problem.Position{}
		c.report(p.Severity, p)
	}
	c.translated(answer.Layers)
}

// translated asks package policy about the settings that arguments stand for: a
// name that kopia's command line takes may not work in a policy.
func (c *check) translated(layers []result.PolicyLayer) {
	in := policy.Inputs{Source: policy.SourceTarget(result.Identity{}), Inline: layers}
	for _, n := range policy.Resolve(in, c.v.names).Notes {
		c.report(n.Severity, problem.Problem{Code: n.Code, Path: n.File, Message: n.Message, Fix: n.Fix})
	}
}

// policyTarget names the source's own policy, both of them where only the volume
// tells which it is, or "" while the namespace that its host name follows from
// is not known.
func (c *check) policyTarget() string {
	s := c.doc.Source
	if s == nil || s.Metadata.Namespace == "" && s.Spec.Kopia.Hostname == nil {
		return ""
	}
	user, host := s.Identity(s.Metadata.Namespace)
	var targets []string
	for _, path := range recordedPaths(s.Spec.Kopia) {
		targets = append(targets, result.Identity{Username: user, Hostname: host, Path: path}.String())
	}
	return strings.Join(targets, " or ")
}
