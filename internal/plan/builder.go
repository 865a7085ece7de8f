package plan

import (
	"fmt"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// builder is what the parts of one plan share while it is built.
type builder struct {
	in Input
	// source is the object of a backup; empty for another kind.
	source *spec.ReplicationSource
	// kopia are the fields that all kinds share, by their names in a
	// ReplicationSource, and those that only a backup has. kind says where they stand.
	kopia *spec.KopiaSource
	kind  kind
	// upkeep is the object of a maintenance; nil for another kind.
	upkeep   *spec.KopiaMaintenanceSpec
	object   result.ObjectRef
	findings problem.List
	steps    []Step
	cleanup  []Cleanup
	// warnings are what the run's Result starts with.
	warnings []result.Warning
	// actionsOff is true when the manifest's configuration turns actions off.
	actionsOff bool
	// err is the first failure to make a template: a defect, not a finding.
	err error
}

// find records a finding about a field of the manifest; an empty path is the
// document itself.
func (b *builder) find(severity problem.Severity, code, path, message, fix string) {
	p := problem.Problem{
		Code: code, Severity: severity, Path: path, Message: message, Fix: fix,
		Object: b.in.Document.Object(),
	}
	if path != "" {
		p.Position = b.in.Document.Position(path)
	} else {
		p.Position = b.in.Document.At
	}
	b.findings = append(b.findings, p)
}

// merge adds findings that validation has not given already: the same code at
// the same path.
func (b *builder) merge(list problem.List) {
	for i := range list {
		told := func(p problem.Problem) bool { return p.Code == list[i].Code && p.Path == list[i].Path }
		same := func(p problem.Problem) bool { return told(p) && p.Message == list[i].Message }
		if !slices.ContainsFunc(b.in.Findings, told) && !slices.ContainsFunc(b.findings, same) {
			b.findings = append(b.findings, list[i])
		}
	}
}

// add appends a step and returns its id.
func (b *builder) add(step Step) int {
	step.ID = len(b.steps) + 1
	b.steps = append(b.steps, step)
	return step.ID
}

// create appends a step that creates obj, owned by the Job of step owner when
// that is not zero, and returns its id.
func (b *builder) create(kind string, obj any, owner int, waits ...Wait) int {
	t := b.template(obj)
	if owner != 0 {
		b.check(t.ownedBy(b.jobOwner(owner)))
	}
	return b.add(Step{Kind: StepCreate, Title: kind + " " + t.Name(), Object: t, Waits: waits})
}

// jobOwner is the owner reference to the Job of the step.
func (b *builder) jobOwner(step int) Template {
	return Template{
		"apiVersion": "batch/v1",
		"kind":       "Job",
		"name":       b.name(),
		"uid":        Ref{FromStep: step, Field: "metadata.uid"}.value(),
	}
}

// template makes a template and keeps the first failure.
func (b *builder) template(obj any) Template {
	t, err := newTemplate(obj)
	b.check(err)
	if t == nil {
		t = Template{}
	}
	return t
}

// check keeps the first failure.
func (b *builder) check(err error) {
	if b.err == nil && err != nil {
		b.err = err
	}
}

// name returns the name that the objects of this run share: each is of another
// kind.
func (b *builder) name() string { return Name(b.kind.names, b.object, b.in.Env.RunID) }

// titleOf returns the title of a step.
func (b *builder) titleOf(id int) string { return b.steps[id-1].Title }

// plural counts things.
func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
