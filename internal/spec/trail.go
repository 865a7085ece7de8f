package spec

import (
	"regexp"
	"strconv"
	"strings"
)

// trail is the path of the field being decoded. It is a list towards the root,
// so that a document without problems never builds a path.
type trail struct {
	up    *trail
	name  string
	index int // used when name is ""
}

// top is the path of a field of the document itself.
func top(name string) *trail { return &trail{name: name} }

func (t *trail) field(name string) *trail { return &trail{up: t, name: name} }
func (t *trail) item(index int) *trail    { return &trail{up: t, index: index} }

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// String writes the path as spec.kopia.additionalArgs[1] or data["a.json"]; nil
// is the document itself.
func (t *trail) String() string {
	if t == nil {
		return ""
	}
	var parts []*trail
	for ; t != nil; t = t.up {
		parts = append(parts, t)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i].segment(b.Len() == 0))
	}
	return b.String()
}

func (t *trail) segment(first bool) string {
	switch {
	case t.name == "":
		return "[" + strconv.Itoa(t.index) + "]"
	case !plainName.MatchString(t.name):
		return "[" + strconv.Quote(t.name) + "]"
	case first:
		return t.name
	default:
		return "." + t.name
	}
}
