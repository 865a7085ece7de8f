package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// appliedRow is an object that was applied, as scripts read it.
type appliedRow struct {
	// Object is the one whose schedule it is part of.
	Object    result.ObjectRef `json:"object"`
	Kind      string           `json:"kind"`
	Namespace string           `json:"namespace"`
	Name      string           `json:"name"`
	Change    k8s.Change       `json:"change"`
}

// applySchedules applies the schedules, each whatever becomes of the others, and prints
// what was done.
func (f *Factory) applySchedules(ctx context.Context, schedules []plan.Schedule, force bool, output string) error {
	c, err := f.cluster()
	if err != nil {
		return err
	}
	ctx = k8s.Telling(ctx, f.note)
	var rows []appliedRow
	var failed []error
	for i := range schedules {
		applied, err := c.ApplySchedule(ctx, schedules[i].Objects, force)
		for _, a := range applied {
			rows = append(rows, appliedRow{schedules[i].Object, a.Object.GetKind(), a.Object.GetNamespace(), a.Object.GetName(), a.Change})
		}
		failed = append(failed, err)
	}
	err = errors.Join(failed...)
	if isDocument(output) {
		var names []string
		for i := range rows {
			names = append(names, k8s.ResourceName(rows[i].Kind, rows[i].Name))
		}
		return errors.Join(f.printDocument(output, reportOf(fault.CodeOf(err), rows), names), err)
	}
	for i := range rows {
		fmt.Fprintf(f.Streams.Out, "%s %s\n", k8s.ResourceName(rows[i].Kind, rows[i].Name), rows[i].Change)
	}
	return err
}
