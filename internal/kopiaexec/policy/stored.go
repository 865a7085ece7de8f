package policy

import (
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	actionPrefix     = "actions."
	schedulingPrefix = "scheduling."
)

// StoredAction is one of kopia's own actions in a policy of the repository.
type StoredAction struct {
	Target Target
	// Name is kopia's: beforeSnapshotRoot, afterFolder and so on.
	Name string
}

func (a StoredAction) String() string { return a.Name + " of " + string(a.Target) }

// HasActions reports whether the manifest wants kopia to run an action.
func (d Desired) HasActions() bool {
	for _, values := range d.targets {
		for to := range values {
			if strings.HasPrefix(to, actionPrefix) {
				return true
			}
		}
	}
	return false
}

// ForeignActions returns the actions that a repository that has now holds, that
// kopia may run in a backup of this source, and that are not the manifest's: those
// of its own policy, of the policies that it inherits from, and of the directories
// in it. Some of them kopia would pass over, for another one hides them; that is
// not relied on.
func (d Desired) ForeignActions(now Export) []StoredAction {
	unset := sameAsUnset()
	var foreign []StoredAction
	for _, target := range slices.Sorted(maps.Keys(now)) {
		if !appliesTo(target, d.source) {
			continue
		}
		for _, to := range slices.Sorted(maps.Keys(leaves(now[target], unset))) {
			name, isAction := strings.CutPrefix(to, actionPrefix)
			if _, own := d.targets[target][to]; isAction && !own {
				foreign = append(foreign, StoredAction{Target: target, Name: name})
			}
		}
	}
	return foreign
}

// Scheduled reports whether the source's own policy in a repository that has now
// says when kopia is to take snapshots. Kopia cannot mark such a source as manual.
func (d Desired) Scheduled(now Export) bool {
	for to := range leaves(now[d.source], sameAsUnset()) {
		if strings.HasPrefix(to, schedulingPrefix) && to != schedulingPrefix+"manual" {
			return true
		}
	}
	return false
}

// appliesTo reports whether kopia looks at the target's policy when it backs the
// source up.
func appliesTo(target, source Target) bool {
	owner, dir, _ := strings.Cut(string(source), ":")
	_, host, _ := strings.Cut(owner, "@")
	if target == Global || string(target) == owner || string(target) == "@"+host {
		return true
	}
	other, otherDir, ok := strings.Cut(string(target), ":")
	return ok && other == owner && (below(dir, otherDir) || below(otherDir, dir))
}

// below reports whether a path is the directory or lies below it.
func below(name, dir string) bool {
	name, dir = path.Clean(name), path.Clean(dir)
	return dir == "/" || name == dir || strings.HasPrefix(name, dir+"/")
}
