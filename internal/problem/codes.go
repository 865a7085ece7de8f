package problem

import (
	"slices"
	"sync"
)

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
	all := slices.Concat(specCodes(), validateCodes(), argumentCodes(), policyCodes(), repositoryCodes(), clusterCodes(), hookCodes(), scheduleCodes())
	slices.SortFunc(all, func(a, b Code) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all
}

// index is made at the first use: validation looks a code up for each finding,
// and a start that finds nothing should not pay for it.
//
//nolint:gochecknoglobals // computed once from constants
var index = sync.OnceValue(func() map[string]Code {
	byID := map[string]Code{}
	for _, c := range Codes() {
		byID[c.ID] = c
	}
	return byID
})

// Lookup returns the code with the id.
func Lookup(id string) (Code, bool) {
	c, ok := index()[id]
	return c, ok
}
