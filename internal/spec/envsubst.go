package spec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/envsubst/parse"
	"go.yaml.in/yaml/v3"
)

// Bounds of one scalar's substitutions: the expander recurses once for each,
// and a nested replacement can multiply its result.
const (
	maxSubstitutions = 1000
	maxNested        = 3
)

// disabledBy is the label or annotation, with the value "disabled", by which an
// object opts out of Flux's substitution.
const disabledBy = "kustomize.toolkit.fluxcd.io/substitute"

var (
	errManySubstitutions = fmt.Errorf("the value holds more than %d substitutions", maxSubstitutions)
	errNested            = fmt.Errorf("substitutions are nested more than %d levels deep", maxNested)
)

// substitute expands variables as Flux does, after the YAML is parsed: comments
// are not touched, and a result takes the type that it looks like. Quotes do not
// change that: Flux writes each object anew before it expands it, and around a
// reference none are left then.
//
// Two things are other than in Flux. A value never becomes structure, and a text
// field takes a number too, as a run's number from CI is one.
func (d *decoder) substitute(get func(string) (string, bool)) {
	if d.optedOut() {
		return
	}
	d.free = make(map[*yaml.Node]bool)
	s := &substituter{decoder: d, get: get, done: make(map[*yaml.Node]bool)}
	s.node(d.positions.root, nil)
}

func (d *decoder) optedOut() bool {
	_, metadata := lookup(d.positions.root, "metadata")
	for _, field := range []string{"labels", "annotations"} {
		if _, v := lookup(metadata, field); text(v, disabledBy) == "disabled" {
			return true
		}
	}
	return false
}

type substituter struct {
	*decoder
	get  func(string) (string, bool)
	done map[*yaml.Node]bool // an anchored value is expanded once
}

func (s *substituter) node(n *yaml.Node, at *trail) {
	n = follow(n)
	if s.done[n] {
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		s.scalar(n, at)
	case yaml.MappingNode:
		s.done[n] = true
		for i := 0; i+1 < len(n.Content); i += 2 {
			s.node(n.Content[i], at)
			s.node(n.Content[i+1], at.field(s.shownKey(n.Content[i], at)))
		}
	case yaml.SequenceNode:
		s.done[n] = true
		for i, item := range n.Content {
			s.node(item, at.item(i))
		}
	}
}

func (s *substituter) scalar(n *yaml.Node, at *trail) {
	if !strings.Contains(n.Value, "$") {
		return
	}
	s.done[n] = true
	unset, value, err := expand(n.Value, s.get)
	if err != nil {
		s.unreadable(n, at, finding{
			code:    codeSubstitution,
			message: "cannot expand the variables of this value: " + err.Error(),
			fix:     "write $${ for a ${ that is meant literally",
		})
		return
	}
	for _, name := range unset {
		s.unset(n, at, name)
	}
	if len(unset) > 0 || value == n.Value {
		return
	}
	n.Value = value
	// Without a tag the type is resolved again from the new text; one in quotes
	// takes the type that its field wants.
	n.Tag = ""
	s.free[n] = true
}

func (s *substituter) unset(n *yaml.Node, at *trail, name string) {
	shown := fmt.Sprintf("%q", name)
	if s.kind == KindSecret && !namesItself(n.Value) {
		shown = "of this value (not shown, as it may be a part of the content)"
	}
	place := s.positions.of(n)
	if line, column, ok := s.positions.find(n, "${"+name); ok {
		place.Line, place.Column = line, column
	}
	s.markUnread(at)
	s.report(n, at, finding{
		code:    codeVariableUnset,
		message: fmt.Sprintf("the variable %s is not set and has no default", shown),
		fix:     fmt.Sprintf("set it in the environment, or write a default: ${%s:-value}", fixName(shown, name)),
	})
	(*s.problems)[len(*s.problems)-1].Position = place
}

func fixName(shown, name string) string {
	if strings.Contains(shown, name) && strings.HasPrefix(shown, "\"") {
		return name
	}
	return "NAME"
}

// wholeReference is a value that is nothing but a reference to a variable with a
// conventional name; it is no content of its own.
var wholeReference = regexp.MustCompile(`^\$\{[A-Z_][A-Z0-9_]*\}$`)

func namesItself(value string) bool { return wholeReference.MatchString(strings.TrimSpace(value)) }

// expand returns the value with its variables expanded, or the names of those
// that are not set and have no default. Its errors hold nothing of the value.
func expand(value string, get func(string) (string, bool)) (unset []string, expanded string, err error) {
	if strings.Count(value, "${")+strings.Count(value, "$$") > maxSubstitutions {
		return nil, "", errManySubstitutions
	}
	tree, err := parse.Parse(value)
	if err != nil {
		return nil, "", plainError(err)
	}
	missing := unsetVariables{get: get}
	if err = missing.visit(tree.Root, 0); err != nil || len(missing.names) > 0 {
		return missing.names, "", err
	}
	expanded, err = envsubst.Eval(value, get)
	if err != nil {
		return nil, "", plainError(err)
	}
	return nil, expanded, nil
}

// unsetVariables collects, in order and once each, the variables that Flux
// would refuse.
type unsetVariables struct {
	get   func(string) (string, bool)
	names []string
}

func (u *unsetVariables) visit(n parse.Node, depth int) error {
	if depth > maxNested {
		return errNested
	}
	switch n := n.(type) {
	case *parse.ListNode:
		// Lists lean to the right, one level an element; that is no nesting.
		return u.visitAll(n.Nodes, depth)
	case *parse.FuncNode:
		if _, set := u.get(n.Param); !set && !hasDefault(n.Name) && !slices.Contains(u.names, n.Param) {
			u.names = append(u.names, n.Param)
		}
		return u.visitAll(n.Args, depth+1)
	}
	return nil
}

func (u *unsetVariables) visitAll(nodes []parse.Node, depth int) error {
	for _, n := range nodes {
		if err := u.visit(n, depth); err != nil {
			return err
		}
	}
	return nil
}

// hasDefault reports the operators for which an unset variable is no error.
func hasDefault(operator string) bool {
	return slices.Contains([]string{"-", ":-", "+", ":+", "=", ":=", "?", ":?"}, operator)
}

func plainError(err error) error {
	for _, known := range []error{
		parse.ErrBadSubstitution, parse.ErrMissingClosingBrace, parse.ErrParseVariableName,
		parse.ErrParseFuncSubstitution, parse.ErrParseDefaultFunction,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("not a substitution")
}
