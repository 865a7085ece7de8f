package k8s

import (
	"context"
	"errors"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
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
	var found []Run
	var ids []string
	for _, r := range runs {
		switch {
		case r.ID == id:
			return r, nil
		case strings.HasSuffix(r.ID, "-"+id):
			found, ids = append(found, r), append(ids, r.ID)
		}
	}
	switch len(found) {
	case 0:
		return Run{}, fault.New(fault.Refused, "namespace %q holds no run %q", namespace, id).
			WithHint("kubectl volsync-kopia runs list -n " + namespace)
	case 1:
		return found[0], nil
	}
	return Run{}, fault.New(fault.Refused, "namespace %q holds several runs %q: %s", namespace, id, strings.Join(ids, ", ")).
		WithHint("give the whole id of one")
}

// Attach follows a run from its log's first byte to its end, from any machine.
// Once the mover has ended, a run whose command is dead is collected; a living
// command does so itself. With cancel the mover is told to stop first, because of
// it; then a mover that has stopped counts as cancelled for the caller, whatever
// the run's own command makes of it.
//
// When ctx ends Attach lets go and the run goes on.
func (c *Cluster) Attach(ctx context.Context, r Run, cancel error, observer run.Observer, now func() time.Time) (*result.Result, error) {
	switch {
	case r.State == RunPrepared:
		return nil, fault.New(fault.Refused, "its mover has not been started").At("run " + r.ID).
			WithHint("its command starts it; if that is dead: kubectl volsync-kopia cleanup")
	case r.State == RunCollected && r.kept:
		return r.Result, nil
	}
	left := r.Result
	if !r.kept { // else its pod may be gone, and knew no more
		var err error
		if left, err = c.attached(ctx, r, cancel, observer, now); err != nil {
			return nil, err
		}
	}
	r = c.untilOver(ctx, r, now)
	res := r.settled(left)
	var err error
	if r.State != RunCollected {
		err = c.collectAttached(ctx, r.ID, r.Object.Namespace, res, observer, now)
	}
	if cancel != nil && left.Outcome == result.Cancelled {
		return left, err
	}
	return res, err
}

const (
	// jobLag is how long a Job may trail its pod's end, jobInterval how often it
	// is asked meanwhile.
	jobLag      = 10 * time.Second
	jobInterval = 500 * time.Millisecond
)

// untilOver is the run as the cluster has it once its Job says, too, that the mover
// has ended; it notes who has stopped it.
func (c *Cluster) untilOver(ctx context.Context, r Run, now func() time.Time) Run {
	for began := now(); ; {
		if latest, err := c.FindRun(ctx, r.Object.Namespace, r.ID); err == nil {
			r = latest
		}
		if !r.busy(now()) || now().Sub(began) > jobLag || pause(ctx, jobInterval) != nil {
			return r
		}
	}
}

// collectAttached ends a run that was followed to its end, if its command is dead,
// and brings its Result up to date.
func (c *Cluster) collectAttached(ctx context.Context, id, namespace string, res *result.Result, observer run.Observer, now func() time.Time) error {
	remains, err := c.Remains(ctx, namespace, now)
	if err != nil {
		return err
	}
	for _, dead := range remains.Runs {
		if dead.ID == id {
			return c.buryAs(ctx, dead, res, now, sayTo(observer, id, now))
		}
	}
	return nil
}

// attached follows the mover, or reads what one that has ended left. With cancel
// it tells one that runs to stop, because of it.
func (c *Cluster) attached(ctx context.Context, r Run, cancel error, observer run.Observer, now func() time.Time) (*result.Result, error) {
	if r.lost(now()) {
		return c.resultOf(ctx, r, now)
	}
	task, err := r.task()
	if err != nil {
		return nil, err
	}
	if cancel != nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, time.Duration(task.GracePeriod)+stopMargin, notStopped(r.ID, r.Object.Namespace))
		defer stop()
	}
	p := plan.Plan{RunID: r.ID, Object: r.Object, Operation: task.Operation, Identity: task.Identity, Task: task}
	t := NewTarget(c, p, Outcome{}, observer, now, func(error) {})
	defer t.Close()
	if err := t.view.watch(ctx, "Pod"); err != nil {
		return nil, err
	}
	f := following{target: t, job: r.job.Name, collect: run.Collector{Observer: observer, Task: task, Began: r.Began, Now: now}}
	if r.State == RunRunning {
		if cancel != nil {
			if err := c.suspend(ctx, r.job.Namespace, r.job.Name, cancel); err != nil {
				return nil, err
			}
			t.cancelling = true
		}
		// Its Job may not have made the pod yet, and if it is stopped never does.
		if err := t.untilBegun(ctx, r.job); err != nil {
			return nil, err
		}
		if stopped, err := t.stoppedWithoutPod(ctx, r.job.Name); err != nil || stopped {
			res := f.collect.Agree(nil, podNeverMade)
			neverStarted(res)
			return res, err
		}
	}
	return f.watchOnly(ctx)
}

// notStopped is the fault of a mover that outlasts its grace period.
func notStopped(id, namespace string) error {
	return fault.New(fault.TimedOut, "its mover was told to stop, and nothing says that it has").At("run " + id).
		WithWhy("its node may be lost; after " + lostAfter.String() + " of silence the mover counts as lost").
		WithHint("then: kubectl volsync-kopia cleanup --yes -n " + namespace + "; if the node is gone for good: kubectl delete pod --force")
}

// stoppedWithoutPod reports whether a Job that has run is suspended without ever
// having made a pod, as far as this process has seen since.
func (t *Target) stoppedWithoutPod(ctx context.Context, job string) (bool, error) {
	if podless, err := t.isPodless(ctx); err != nil || !podless {
		return false, err
	}
	object, gone := t.view.get("Job", job)
	if object == nil || gone {
		return false, nil
	}
	var j batchv1.Job
	err := convert(object, &j)
	return suspended(&j), err
}

// isPodless reports whether the run's mover has no pod, also none that its watch,
// which trails the Job's, has not seen yet.
func (t *Target) isPodless(ctx context.Context) (bool, error) {
	if pod, _, err := t.pod(); err != nil || pod != nil {
		return false, err
	}
	made, err := listed(ctx, t.cluster.typed.CoreV1().Pods(t.plan.Object.Namespace).List, metav1.ListOptions{
		LabelSelector: plan.LabelRun + "=" + t.plan.RunID + "," + plan.LabelRole + "=" + plan.RoleMover,
	})
	return err == nil && len(made.Items) == 0, err
}

// untilBegun waits until the mover has begun or has ended, or its Job will make no pod,
// and says why it has not. What would end its own command's wait only explains here.
func (t *Target) untilBegun(ctx context.Context, job *batchv1.Job) error {
	if err := t.view.watch(ctx, "Job"); err != nil {
		return err
	}
	own := &unstructured.Unstructured{}
	own.SetKind("Job")
	own.SetName(job.Name)
	t.keepObject(0, own) // whose events, and whose pod's, are the run's
	t.listen(ctx)
	return t.waitFor(ctx, "the mover", plan.Wait{For: plan.UntilStarted}, func() (state, error) {
		pod, _, err := t.pod()
		if err = errors.Join(err, t.outOfSight(time.Time{})); err != nil {
			return state{}, err
		}
		if pod == nil {
			over, err := t.view.over(job.Name)
			return state{done: over, why: "the Job controller has not made its pod"}, err
		}
		if c := unscheduled(pod); c != nil && pod.Spec.NodeName == "" {
			return state{why: c.Reason + ": " + c.Message}, nil
		}
		s, err := t.startedState()
		if err != nil {
			s = state{why: err.Error()}
		}
		return s, nil
	})
}

// watchOnly follows the mover without ever telling it to stop.
func (f *following) watchOnly(ctx context.Context) (*result.Result, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	read := f.listen(reading)
	if pod, _, err := f.pod(); err == nil && pod != nil {
		if err := f.target.view.until(ctx, f.seenOver); err != nil {
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
