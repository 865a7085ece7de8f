package k8s

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// ask asks the repository, after a mover that left no Result, whether it holds a
// snapshot of this run, and puts the answer into the Result. The outcome stays
// Unknown: nobody has proved that snapshot.
func (t *Target) ask(ctx context.Context, step plan.Step, mover *result.Result) error {
	if mover == nil || mover.Outcome != result.Unknown {
		return nil
	}
	t.say("The mover left no result; asking the repository for a snapshot of run %s", t.plan.RunID)
	bounded, cancel := context.WithTimeout(ctx, time.Duration(step.Waits[0].Timeout))
	defer cancel()
	listed, err := t.askMover(bounded, step)
	switch {
	case err != nil:
		mover.Message += "; the repository could not be asked: " + err.Error()
	case listed.Outcome != result.Succeeded:
		mover.Message += "; the repository could not be asked: " + listed.Message
	default:
		answer(mover, listed.Snapshots)
	}
	return t.removeAsk(ctx, step)
}

// removeAsk deletes the Job that asked, with its pod, also if nobody has said that it
// was made. The question may have used up its own time.
func (t *Target) removeAsk(ctx context.Context, step plan.Step) error {
	after := context.WithoutCancel(ctx)
	job, err := t.madeBy(after, step.ID)
	if job == nil {
		return err
	}
	return t.cluster.deleteAndSee(after, job)
}

// askMover runs the Job that lists the repository's snapshots.
func (t *Target) askMover(ctx context.Context, step plan.Step) (*result.Result, error) {
	object, err := t.fill(step.Object)
	if err != nil {
		return nil, err
	}
	text, _, _ := unstructured.NestedString(object.Object, "spec", "template", "metadata", "annotations", plan.AnnotationTask)
	task, err := result.DecodeTask([]byte(text))
	if err != nil {
		return nil, err
	}
	made, err := t.createOnce(ctx, object, false)
	if err != nil {
		t.noteUnanswered(step.ID, object, err)
		return nil, err
	}
	t.keepObject(step.ID, made)
	f := following{
		target: t, role: made.GetLabels()[plan.LabelRole], job: made.GetName(),
		collect: run.Collector{Observer: deaf{}, Task: task, Began: t.now(), Now: t.now},
	}
	if err := t.view.until(ctx, func() (bool, error) { pod, _, err := f.pod(); return pod != nil, err }); err != nil {
		return nil, err
	}
	r, err := f.watchOnly(ctx)
	if err == nil && r.Outcome == result.Succeeded && !f.collect.Ended() { // its last words hold no list
		return nil, fault.New(fault.Failed, "its list did not arrive")
	}
	return r, err
}

// answer puts what the repository holds of the run into its Result.
func answer(r *result.Result, snapshots []result.Snapshot) {
	for i := range snapshots {
		s := &snapshots[i]
		if s.Tags[result.RunTag] != r.RunID {
			continue
		}
		r.Snapshot = s
		state := "complete, but nobody has proved it"
		if s.Incomplete != "" {
			state = "incomplete (" + s.Incomplete + ")"
		}
		r.Message += fmt.Sprintf("; the repository holds its snapshot %s, which is %s", s.ID, state)
		r.Hint = "run the backup again"
		return
	}
	r.Message += "; the repository holds no snapshot with its tag"
	r.Hint = "run the backup again"
}
