package problem

import "slices"

// Code documents one finding; docs/reference/findings.md is generated from all
// of them.
type Code struct {
	ID string // as VK203
	// Title is a few words, as "Forbidden argument".
	Title string
	// Severity is the usual one; some rules give a milder one with a reason.
	Severity Severity
	// Meaning says in one to three sentences what was found and why it matters.
	Meaning string
	// Example is a fragment of input that gives the finding (YAML or JSON).
	Example string
	// Fix says what to do.
	Fix string
}

// Codes returns every documented code in order of its ID.
func Codes() []Code {
	all := slices.Concat(specCodes(), argumentCodes(), policyCodes(), repositoryCodes(), clusterCodes())
	slices.SortFunc(all, func(a, b Code) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all
}

// Lookup returns the code with the id.
func Lookup(id string) (Code, bool) {
	for _, c := range Codes() {
		if c.ID == id {
			return c, true
		}
	}
	return Code{}, false
}
