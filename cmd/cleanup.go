package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
)

const cleanupLong = `List what dead runs left in a namespace, and with --yes remove it.

A run is dead when its command no longer renews its Lease, which is watched for as long as the Lease
says (15 seconds), and its mover does not run. The result of a mover that has ended goes to status
and history first, and an after hook that the run has left undone is run in the application. A mover
that could not start for longer than its command would have waited is stopped. One that runs, or that
was told to stop and still saves what it has, is left alone, unless its pod should have been gone for
15 minutes, as on a lost node. What this tool did not make is never touched.`

// NewCleanupCommand returns the cleanup command.
func NewCleanupCommand(f *Factory) *cobra.Command {
	var yes, all bool
	var removed time.Duration
	c := &cobra.Command{
		Use: "cleanup", Short: "List, then with --yes remove, what dead runs left", Long: cleanupLong + exitCodes(0, 1, 2, 5, 8, 130, 143), Args: noArguments,
		Example: `  # List leftovers
  kubectl volsync-kopia cleanup -n prod

  # Remove leftovers
  kubectl volsync-kopia cleanup -n prod --yes`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := notNegative("removed-timeout", removed); err != nil {
				return err
			}
			return f.cleanup(c.Context(), all, yes, removed)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "remove what is listed")
	c.Flags().DurationVar(&removed, "removed-timeout", plan.DefaultRemovedTimeout, removedUsage+"; 0: no limit")
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "look in every namespace")
	return c
}

func (f *Factory) cleanup(ctx context.Context, all, yes bool, removed time.Duration) error {
	namespace, err := f.namespace(all)
	if err != nil {
		return err
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	c.AllowRemoval(removed)
	ctx = k8s.Telling(ctx, f.note)
	fmt.Fprintln(f.Streams.ErrOut, "Watching which runs still live...")
	remains, err := c.Remains(ctx, namespace, f.Now)
	if err != nil {
		return err
	}
	if len(remains.Runs)+len(remains.Leases)+len(remains.Probes)+len(remains.Copies) == 0 {
		fmt.Fprintln(f.Streams.Out, "Nothing is left of dead runs.")
		return nil
	}
	if !yes {
		f.listRemains(remains)
		return nil
	}
	return f.removeRemains(ctx, c, remains)
}

func (f *Factory) listRemains(remains k8s.Remains) {
	for _, r := range remains.Runs {
		f.printf("run %s of %s: %s", r.ID, r.Object, whatIsLeft(r))
		for _, o := range r.Copies() {
			f.printf("%s %s/%s: a copy of run %s%s", o.GetKind(), o.GetNamespace(), o.GetName(), r.ID, heldBy(o))
		}
	}
	for i := range remains.Leases {
		f.printf("Lease %s/%s of a dead run", remains.Leases[i].Namespace, remains.Leases[i].Name)
	}
	for i := range remains.Probes {
		f.printf("%s: the question of a dead plan --connect", jobTitle(&remains.Probes[i]))
	}
	for _, o := range remains.Copies {
		f.printf("%s %s/%s: a copy whose run has no Job any more%s", o.GetKind(), o.GetNamespace(), o.GetName(), heldBy(o))
	}
	fmt.Fprintln(f.Streams.ErrOut, "Nothing was removed; --yes removes it.")
}

// whatIsLeft says what is to be done about a run.
func whatIsLeft(r k8s.Run) string {
	switch {
	case r.State == k8s.RunCollected && len(r.Copies()) > 0:
		return string(r.State) + ", its copy could not be removed"
	case r.State == k8s.RunCollected && r.AsksYet():
		return string(r.State) + ", its question to the repository could not be removed"
	case r.State == k8s.RunCollected:
		return string(r.State) + ", its Job was kept for a copy that is gone"
	}
	state := ", its command is dead"
	if r.Unwritten() {
		state = ", its outcome is not in the history yet"
	}
	hook := ""
	if in := r.DueHook(); in != "" {
		hook = ", and its after hook in " + in + " was not run"
	}
	return string(r.State) + state + hook
}

// heldBy says what holds an object that is being deleted.
func heldBy(o *unstructured.Unstructured) string {
	if o.GetDeletionTimestamp() == nil || len(o.GetFinalizers()) == 0 {
		return ""
	}
	return ", being deleted and held by " + strings.Join(o.GetFinalizers(), ", ")
}

// jobTitle names a Job.
func jobTitle(j *batchv1.Job) string { return "Job " + j.Namespace + "/" + j.Name }

// printf prints one line for people.
func (f *Factory) printf(format string, args ...any) {
	fmt.Fprintln(f.Streams.Out, printable.Text(fmt.Sprintf(format, args...)))
}

// say tells people one line.
func (f *Factory) say(format string, args ...any) {
	fmt.Fprintln(f.Streams.ErrOut, printable.Text(fmt.Sprintf(format, args...)))
}

// removeRemains removes all that it can and says what it could not.
func (f *Factory) removeRemains(ctx context.Context, c *k8s.Cluster, remains k8s.Remains) error {
	var left []error
	for _, r := range remains.Runs {
		if err := c.Bury(ctx, r, f.Now, f.say); err != nil {
			left = append(left, err)
			continue
		}
		f.printf("run %s of %s: removed", r.ID, r.Object)
	}
	for i := range remains.Leases {
		l := &remains.Leases[i]
		switch released, err := c.ReleaseDead(ctx, l); {
		case err != nil:
			left = append(left, fault.New(fault.Leftover, "delete it: %w", err).At("Lease "+l.Namespace+"/"+l.Name))
		case released:
			f.printf("Lease %s/%s: removed", l.Namespace, l.Name)
		}
	}
	for i := range remains.Probes {
		if err := c.RemoveProbe(ctx, &remains.Probes[i]); err != nil {
			left = append(left, err)
			continue
		}
		f.printf("%s: removed", jobTitle(&remains.Probes[i]))
	}
	return errors.Join(append(left, f.removeCopies(ctx, c, remains.Copies))...)
}

// removeCopies removes copies without a run, a run's together.
func (f *Factory) removeCopies(ctx context.Context, c *k8s.Cluster, copies []*unstructured.Unstructured) error {
	if err := c.RemoveCopies(ctx, copies); err != nil {
		return err
	}
	for _, o := range copies {
		f.printf("%s %s/%s: removed", o.GetKind(), o.GetNamespace(), o.GetName())
	}
	return nil
}
