package plan

import (
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// Questions are what a plan wants to know of the cluster: whoever reads the
// facts asks these and no others.
type Questions struct {
	// Object is the object of the run, its namespace filled in.
	Object result.ObjectRef
	// Source is the claim to be copied, empty for a maintenance; Claims are all those that matter, Source
	// and the cache among them, each once.
	Source string
	Claims []string
	// ConfigMaps are the policy ConfigMaps, History the ConfigMap of earlier runs.
	ConfigMaps []string
	History    string
	// Rights are all that a run may need, whatever the facts turn out to be.
	Rights []Rule
	// HookRights are what hooks of a command line would need besides.
	HookRights []Rule
}

// QuestionsFor returns the questions of a backup, or of a maintenance, whichever the
// object is for; namespace is the caller's, for a manifest without one.
func QuestionsFor(d *spec.Document, namespace string) Questions {
	in := Input{Document: d, Facts: Facts{Namespace: Namespace{Name: namespace}, Object: &Object{}}}
	b, p := begin(in)
	if b.upkeep != nil {
		return b.upkeepQuestions(p.Object)
	}
	q := Questions{
		Object:  p.Object,
		Source:  b.source.Spec.SourcePVC,
		History: Name(NameStatus, p.Object, ""),
	}
	q.addClaim(q.Source)
	b.askForClaims(&q)
	if c := b.kopia.PolicyConfig; c != nil && c.ConfigMapName != "" {
		q.ConfigMaps = append(q.ConfigMaps, c.ConfigMapName)
	}
	q.Rights = b.possibleNeeds()
	if !b.hooks().Used() {
		q.HookRights = HookNeeds(spec.Hooks{In: "deploy/any", Before: "any"})
	}
	return q
}

// upkeepQuestions are those of a maintenance.
func (b *builder) upkeepQuestions(object result.ObjectRef) Questions {
	list := Rule{Group: GroupVolSync, Resource: b.kind.resource, Verbs: []string{"list"}, Optional: true} // for status
	q := Questions{Object: object, History: Name(NameStatus, object, ""), Rights: append(b.upkeepNeeds(), list)}
	b.askForClaims(&q)
	return q
}

// askForClaims asks for the claims that every mover may mount.
func (b *builder) askForClaims(q *Questions) {
	for _, ref := range b.extraClaims() {
		q.addClaim(ref.claim)
	}
	if b.cacheIsClaim() {
		q.addClaim(Name(NameCache, q.Object, ""))
	}
}

func (q *Questions) addClaim(name string) {
	for _, known := range q.Claims {
		if known == name {
			return
		}
	}
	if name != "" {
		q.Claims = append(q.Claims, name)
	}
}

// possibleNeeds are the rights of the run that needs most: by snapshot, with a
// copy trigger and from classes that keep what is made.
func (b *builder) possibleNeeds() []Rule {
	rules := b.needs(&Copy{Method: spec.CopySnapshot})
	for i := range rules {
		if rules[i].Resource == "persistentvolumeclaims" {
			rules[i].Verbs = append(rules[i].Verbs, "patch")
		}
	}
	content, volume := retainNeeds()
	return append(rules, content, volume)
}
