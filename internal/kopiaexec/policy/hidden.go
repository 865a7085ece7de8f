package policy

import "slices"

const ignoreRules = "files.ignore"

// Hidden are the ignore rules of the global policy that do not apply to a
// source because it has a list of its own.
type Hidden struct {
	Count int
	// Rules are the rules themselves; empty when they may come from a Secret.
	Rules []string
}

// HiddenIgnoreRules returns the ignore rules of the global policy, as it will be
// in a repository that has now, that the source's own list lacks: in kopia that
// list replaces the global one whole. There are none while the source has no
// list.
func (d Desired) HiddenIgnoreRules(now Export) Hidden {
	d = d.extended(now)
	own := ruleList(d.targets[d.source][ignoreRules].value)
	if d.source == "" || len(own) == 0 {
		return Hidden{}
	}
	inherited, named := d.targets[Global][ignoreRules]
	show := named && !inherited.sensitive
	if !named {
		inherited.value = leaves(now[Global], sameAsUnset())[ignoreRules]
		show = d.showsStored(Global, ignoreRules, inherited.value)
	}
	var hidden Hidden
	for _, rule := range ruleList(inherited.value) {
		if slices.Contains(own, rule) {
			continue
		}
		hidden.Count++
		if show {
			hidden.Rules = append(hidden.Rules, rule)
		}
	}
	return hidden
}

// ruleList returns the texts of a list of JSON values.
func ruleList(value any) []string {
	list, ok := value.([]any)
	if !ok {
		return nil
	}
	var rules []string
	for _, item := range list {
		if rule, ok := item.(string); ok {
			rules = append(rules, rule)
		}
	}
	return rules
}
