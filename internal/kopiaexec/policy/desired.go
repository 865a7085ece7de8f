package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Desired is what a manifest wants the policies to be.
type Desired struct {
	source  Target
	targets map[Target]settings
	// fromSecret is true when the global policy comes from a Secret.
	fromSecret bool
}

// Value is one value of the desired policy: a scalar, a whole list, or a whole
// action.
type Value struct {
	// Path is dotted, as compression.compressorName.
	Path string
	// JSON is the value as JSON text; empty when Sensitive.
	JSON string
	// From names the layer that the value came from; the layers of a list that
	// several gave are joined by a comma.
	From string
	// Sensitive is true for a value that came from a Secret.
	Sensitive bool
}

// For returns the same for a source that is recorded under another name.
func (d Desired) For(source Target) Desired {
	targets := maps.Clone(d.targets)
	delete(targets, d.source)
	targets[source] = d.targets[d.source]
	d.source, d.targets = source, targets
	return d
}

// Targets returns the targets that the manifest speaks of, Global first.
func (d Desired) Targets() []Target { return slices.Sorted(maps.Keys(d.targets)) }

// Values returns what the manifest sets for the target, in order of path.
func (d Desired) Values(t Target) []Value {
	var values []Value
	for _, path := range slices.Sorted(maps.Keys(d.targets[t])) {
		s := d.targets[t][path]
		v := Value{Path: path, From: s.from, Sensitive: s.sensitive}
		if !s.sensitive {
			v.JSON = text(s.value)
		}
		values = append(values, v)
	}
	return values
}

// Diff is what has to happen to a repository.
type Diff struct {
	// Import holds the whole new policy of each target that differs, ready for
	// kopia's import, which replaces targets whole. Empty: nothing to do.
	Import Export
	// Changes are in order of target and path.
	Changes []result.PolicyChange
	// Same are the values that the manifest names and that need no change.
	Same []result.PolicyChange
	// NotManaged are the paths of the global policy that the repository has
	// and the manifest's global file does not name; they stay as they are.
	NotManaged []string
}

// Diff compares with the policies that the repository has now.
//
// In the source's own policy the sections retention, compression, files,
// errorHandling, upload and splitter become exactly what the manifest says. Of
// the global policy only what the global file names is set, lists whole.
// Everything else, and every other target, stays as it is.
func (d Desired) Diff(now Export) Diff {
	diff := Diff{Import: Export{}}
	unset := sameAsUnset()
	d = d.extended(now)
	for _, target := range d.Targets() {
		after := d.apply(target, now[target], unset)
		changes, same := d.compare(target, leaves(now[target], unset), leaves(after, unset))
		diff.Same = append(diff.Same, same...)
		if len(changes) > 0 {
			diff.Import[target] = after
			diff.Changes = append(diff.Changes, changes...)
		}
	}
	if global, named := d.targets[Global]; named {
		for _, path := range slices.Sorted(maps.Keys(leaves(now[Global], unset))) {
			if _, managed := global[path]; !managed {
				diff.NotManaged = append(diff.NotManaged, path)
			}
		}
	}
	return diff
}

// extended starts the lists that extend the global policy with what that holds
// now: in kopia a source's own list replaces the global one.
func (d Desired) extended(now Export) Desired {
	own := maps.Clone(d.targets[d.source])
	for path, s := range own {
		inherited, ok := leaves(now[Global], sameAsUnset())[path].([]any)
		list, isList := s.value.([]any)
		if !s.extends || !ok || !isList {
			continue
		}
		s.value = union(inherited, list)
		s.sensitive = s.sensitive || !d.showsStored(Global, path, inherited)
		s.from = "the repository's global policy, " + s.from
		own[path] = s
	}
	if own != nil {
		d.targets = maps.Clone(d.targets)
		d.targets[d.source] = own
	}
	return d
}

func (d Desired) apply(target Target, now Object, unset map[string]bool) Object {
	after := clone(now)
	if target == d.source && target != Global {
		for _, section := range ownedSections() {
			delete(after, section)
		}
	}
	for path, s := range d.targets[target] {
		if means(path, s.value, unset) {
			set(after, path, s.value)
		} else {
			remove(after, path)
		}
	}
	return after
}

// compare returns what differs, and what the manifest names and is the same.
func (d Desired) compare(target Target, before, after map[string]any) (changes, same []result.PolicyChange) {
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		old, had := before[path]
		value, has := after[path]
		s, named := d.targets[target][path]
		if had == has && equal(old, value) {
			if named {
				// That it is the same is told by every run that does not change it.
				text := shown(value, !s.sensitive)
				same = append(same, result.PolicyChange{Target: string(target), Path: path, Before: text, After: text, From: s.from})
			}
			continue
		}
		change := result.PolicyChange{Target: string(target), Path: path, From: s.from}
		if had {
			change.Before = shown(old, d.showsStored(target, path, old))
		}
		if has {
			change.After = shown(value, !s.sensitive)
		}
		changes = append(changes, change)
	}
	return changes, same
}

// leaves flattens a policy to the values that mean something to kopia.
func leaves(policy Object, unset map[string]bool) map[string]any {
	flat := map[string]any{}
	var walk func(prefix string, members map[string]any)
	walk = func(prefix string, members map[string]any) {
		for key, value := range members {
			path := prefix + key
			if inner, ok := value.(map[string]any); ok && !strings.HasPrefix(path, "actions.") {
				walk(path+".", inner)
				continue
			}
			if means(path, value, unset) {
				flat[path] = value
			}
		}
	}
	walk("", policy)
	return flat
}

// means reports whether kopia tells the value from a missing one.
func means(path string, value any, unset map[string]bool) bool {
	if isNothing(value) {
		return false
	}
	return !unset[path] || !isZero(value)
}

func set(policy Object, path string, value any) {
	section, rest, nested := strings.Cut(path, ".")
	if !nested {
		policy[section] = value
		return
	}
	inner, ok := policy[section].(map[string]any)
	if !ok {
		inner = map[string]any{}
		policy[section] = inner
	}
	set(inner, rest, value)
}

func remove(policy Object, path string) {
	section, rest, nested := strings.Cut(path, ".")
	if !nested {
		delete(policy, section)
		return
	}
	if inner, ok := policy[section].(map[string]any); ok {
		remove(inner, rest)
	}
}
