package plan

import (
	"cmp"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// AddProbe puts into the plan what a probe of its repository has found, see
// BuildProbe. What the probe's Result lacks stays unknown, and so does all of it
// after a probe that has failed.
func (p *Plan) AddProbe(r result.Result) {
	if r.Repository == nil || r.ExitCode != 0 {
		return
	}
	exists := r.Repository.Absent == nil
	p.Repository.Exists, p.Repository.Absent = &exists, r.Repository.Absent
	p.Repository.Backend, p.Repository.UniqueID = r.Repository.Type, r.Repository.UniqueID
	p.takeIdentity(r.Identity)
	report := r.Policy
	switch {
	case !exists:
		report = &result.PolicyReport{} // nothing is set anywhere
	case report == nil:
		return
	}
	for i := range p.Policy {
		p.Policy[i].addProbe(report)
	}
}

// takeIdentity shows the source's policy under the identity that the repository
// knows, where that is the other one.
func (p *Plan) takeIdentity(id result.Identity) {
	if p.Otherwise == nil || id != *p.Otherwise {
		return
	}
	for i := range p.Policy {
		if t := &p.Policy[i]; t.Target == p.Identity.String() {
			t.Target = id.String()
		}
	}
}

// addProbe fills in what the target has now, and adds what the plan cannot know:
// values of a Secret, by their paths, and those that a run would remove.
func (t *TargetPolicy) addProbe(report *result.PolicyReport) {
	told := map[string]bool{}
	tell := func(list []result.PolicyChange, unchanged bool) {
		for _, c := range list {
			if c.Target != t.Target {
				continue
			}
			told[c.Path] = true
			v := t.value(c)
			v.Now, v.Unchanged = &c.Before, unchanged
		}
	}
	tell(report.Changes, false)
	tell(report.Unchanged, true)
	slices.SortStableFunc(t.Values, func(a, b PolicyValue) int { return cmp.Compare(a.Path, b.Path) })
	if report.OmittedChanges > 0 {
		return
	}
	for i := range t.Values {
		if v := &t.Values[i]; !told[v.Path] {
			v.Now = new("")
		}
	}
}

// value is the target's value that the change is about, added when it has none.
// The mover knows better what it will be: a list may begin with the repository's.
func (t *TargetPolicy) value(c result.PolicyChange) *PolicyValue {
	i := slices.IndexFunc(t.Values, func(v PolicyValue) bool { return v.Path == c.Path })
	if i < 0 {
		i = len(t.Values)
		t.Values = append(t.Values, PolicyValue{Path: c.Path, Sensitive: c.After == result.Withheld})
	}
	v := &t.Values[i]
	v.From = c.From
	if !v.Sensitive {
		v.After = c.After
	}
	return v
}
