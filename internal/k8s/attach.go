package k8s

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// FindRun returns the run of the id, or of an id that ends with it.
func (c *Cluster) FindRun(ctx context.Context, namespace, id string) (Run, error) {
	runs, err := c.Runs(ctx, namespace)
	if err != nil {
		return Run{}, err
	}
	for _, r := range runs {
		if r.ID == id || len(r.ID) > len(id) && r.ID[len(r.ID)-len(id)-1:] == "-"+id {
			return r, nil
		}
	}
	return Run{}, fault.New(fault.Refused, "namespace %q holds no run %q", namespace, id).
		WithHint("kubectl volsync-kopia runs list -n " + namespace)
}

// Attach follows a run from its log's first byte to its end, from any machine.
// Once the mover has ended, a run whose command is dead is collected; a living
// command does so itself. With cancel the mover is told to stop first.
//
// When ctx ends Attach lets go and the run goes on.
func (c *Cluster) Attach(ctx context.Context, r Run, cancel bool, observer run.Observer, now func() time.Time) (*result.Result, error) {
	if r.State == RunPrepared {
		return nil, fault.New(fault.Refused, "its mover has not been started").At("run " + r.ID).
			WithHint("its command starts it; if that is dead: kubectl volsync-kopia cleanup")
	}
	res, err := c.attached(ctx, r, cancel, observer, now)
	if err != nil || r.State == RunCollected {
		return res, err
	}
	alive, _, err := c.renewing(ctx, r.Object.Namespace)
	if err != nil || alive[r.ID] {
		return res, err
	}
	if r, err = c.FindRun(ctx, r.Object.Namespace, r.ID); err != nil || r.State == RunCollected {
		return res, nil //nolint:nilerr // its command was faster
	}
	if err := c.settle(ctx, r, res, now, sayTo(observer, r.ID, now)); err != nil {
		return res, err
	}
	return res, c.releaseOf(ctx, r)
}

// attached follows the mover, or reads what one that has ended left.
func (c *Cluster) attached(ctx context.Context, r Run, cancel bool, observer run.Observer, now func() time.Time) (*result.Result, error) {
	task, err := r.task()
	if err != nil {
		return nil, err
	}
	p := plan.Plan{RunID: r.ID, Object: r.Object, Operation: task.Operation, Identity: task.Identity, Task: task}
	t := NewTarget(c, p, Outcome{}, observer, now, func(error) {})
	defer t.Close()
	if err := t.view.watch(ctx, "Pod"); err != nil {
		return nil, err
	}
	if cancel {
		if err := c.suspend(ctx, r.job.Namespace, r.job.Name); err != nil {
			return nil, err
		}
	}
	if r.State == RunRunning { // its Job may not have made the pod yet
		if err := t.untilPod(ctx, r.job.Name); err != nil {
			return nil, err
		}
	}
	t.keepObject(1, &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": r.job.Name}}})
	f := following{target: t, job: r.job.Name, collect: run.Collector{Observer: observer, Task: task, Began: r.Began, Now: now}}
	return f.watchOnly(ctx)
}

// untilPod waits until the Job's pod is seen, or the Job will make none.
func (t *Target) untilPod(ctx context.Context, job string) error {
	if err := t.view.watch(ctx, "Job"); err != nil {
		return err
	}
	return t.view.until(ctx, func() (bool, error) {
		if pod, _, err := t.pod(); err != nil || pod != nil {
			return pod != nil, err
		}
		return t.view.over(job)
	})
}

// watchOnly follows the mover without ever telling it to stop.
func (f *following) watchOnly(ctx context.Context) (*result.Result, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	read := make(chan struct{})
	go func() { defer close(read); f.readLog(reading) }()
	if pod, _, err := f.pod(); err == nil && pod != nil {
		if err := f.target.view.until(ctx, f.ended); err != nil {
			stop()
			<-read
			return nil, err
		}
	} else {
		stop() // the pod is gone, and its log with it
	}
	select {
	case <-read:
	case <-time.After(logMargin):
		stop()
		<-read
	}
	return f.conclude(ctx, nil), nil
}

// releaseOf deletes the Lease of a dead run that was collected.
func (c *Cluster) releaseOf(ctx context.Context, r Run) error {
	name := plan.Name(plan.NameSource, r.Object, "")
	held, err := c.typed.CoordinationV1().Leases(r.Object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil || labelOf(held) != r.ID {
		return nil //nolint:nilerr // gone with its Job, or another run's by now
	}
	return c.ReleaseDead(ctx, held)
}
