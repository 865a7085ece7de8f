package k8s

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v6/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// state is what a wait sees of its object: done, or the words for why not yet.
type state struct {
	done bool
	why  string
}

// worthSaying is how long a reason must last to be told: what passes at once is
// noise.
const worthSaying = 2 * time.Second

// errBudget is the cause of a context whose wait took too long.
var errBudget = errors.New("the budget of this wait is used up")

// waitFor waits within a budget. It says why it waits whenever that has changed
// and lasts, and a wait that takes too long says what it last saw.
func (t *Target) waitFor(ctx context.Context, what string, w plan.Wait, look func() (state, error)) error {
	bounded := ctx
	if limit := time.Duration(w.Timeout); limit > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, limit, errBudget)
		defer cancel()
	}
	last, said, since := "", "", t.now()
	err := t.view.until(bounded, func() (bool, error) {
		s, err := look()
		if err != nil || s.done {
			return s.done, err
		}
		s.why = t.view.alsoUnseen(s.why)
		if s.why != last {
			last, since = s.why, t.now()
		}
		if last != said && t.now().Sub(since) >= worthSaying {
			said = last
			t.say("%s is not yet %s: %s", what, w.For, last)
		}
		return false, nil
	})
	if !errors.Is(err, errBudget) {
		return err
	}
	f := fault.New(fault.TimedOut, "it was not %s within %s", w.For, time.Duration(w.Timeout)).At(what).
		WithHint(budgetFlag(w.For) + " sets the limit")
	if last != "" {
		f = f.WithWhy("last seen: " + last)
	}
	return f
}

// await waits for one condition of an object that a step made.
func (t *Target) await(ctx context.Context, w plan.Wait, made *unstructured.Unstructured) error {
	what := made.GetKind() + " " + made.GetName()
	look := t.claimState
	switch w.For {
	case plan.UntilReady:
		look = t.snapshotState
	case plan.UntilTaken:
		look = t.takenState
	case plan.UntilBound:
	case plan.UntilScheduled, plan.UntilStarted, plan.UntilEnded, plan.UntilTriggered, plan.UntilRemoved, plan.WhileReporting:
		return fault.New(fault.Failed, "%s is no condition of %s", w.For, what)
	}
	if err := t.waitFor(ctx, what, w, func() (state, error) { return look(made.GetName()) }); err != nil {
		return err
	}
	detail := ""
	if seen, _ := t.view.get(made.GetKind(), made.GetName()); w.For != plan.UntilTaken { // not all is known yet
		detail = sizeAndClass(seen)
	}
	t.tell(result.EventReached, "%s is %s%s", what, w.For, detail)
	return nil
}

// sizeAndClass are what people want to know of a copy, as " (20Gi, csi-ceph)"; empty:
// neither is known.
func sizeAndClass(o *unstructured.Unstructured) string {
	paths := [][]string{{"status", "capacity", "storage"}, {"spec", "storageClassName"}}
	if o == nil {
		return ""
	}
	if o.GetKind() == "VolumeSnapshot" {
		paths = [][]string{{"status", "restoreSize"}, {"spec", "volumeSnapshotClassName"}}
	}
	var known []string
	for _, path := range paths {
		if text, _, _ := unstructured.NestedString(o.Object, path...); text != "" {
			known = append(known, text)
		}
	}
	if len(known) == 0 {
		return ""
	}
	return " (" + strings.Join(known, ", ") + ")"
}

// takenState judges whether a VolumeSnapshot holds its moment. Its storage says so
// before it is ready, if that needs an upload.
func (t *Target) takenState(name string) (state, error) {
	if object, gone := t.view.get("VolumeSnapshot", name); object != nil && !gone {
		if at, _, _ := unstructured.NestedString(object.Object, "status", "creationTime"); at != "" {
			return state{done: true}, nil
		}
	}
	return t.snapshotState(name)
}

// snapshotState judges a VolumeSnapshot. Its error may be transient: the
// snapshot controller tries again, so that only the budget ends the wait.
func (t *Target) snapshotState(name string) (state, error) {
	object, gone := t.view.get("VolumeSnapshot", name)
	if gone {
		return state{}, deletedByOthers("VolumeSnapshot", name)
	}
	if object == nil {
		return state{why: "not seen yet"}, nil
	}
	var s snapshotv1.VolumeSnapshot
	if err := convert(object, &s); err != nil {
		return state{}, err
	}
	if s.Status == nil {
		return state{why: "the snapshot controller has not taken it up"}, nil
	}
	if ready := s.Status.ReadyToUse; ready != nil && *ready {
		return state{done: true}, nil
	}
	if e := s.Status.Error; e != nil && e.Message != nil {
		return state{why: *e.Message}, nil
	}
	return state{why: "the driver has not finished it"}, nil
}

// claimState judges the copy's claim.
func (t *Target) claimState(name string) (state, error) {
	object, gone := t.view.get("PersistentVolumeClaim", name)
	if gone {
		return state{}, deletedByOthers("PersistentVolumeClaim", name)
	}
	if object == nil {
		return state{why: "not seen yet"}, nil
	}
	var c corev1.PersistentVolumeClaim
	if err := convert(object, &c); err != nil {
		return state{}, err
	}
	switch c.Status.Phase {
	case corev1.ClaimBound:
		return state{done: true}, nil
	case corev1.ClaimLost:
		return state{}, fault.New(fault.Failed, "it has lost its volume").At("PersistentVolumeClaim " + name)
	case corev1.ClaimPending:
	}
	if c, ok := t.warnings.newest("PersistentVolumeClaim"); ok {
		return state{why: c.String()}, nil
	}
	return state{why: "its driver has not made the volume"}, nil
}

// deletedByOthers is the fault of an object of this run that is gone although
// this run has not deleted it.
func deletedByOthers(kind, name string) error {
	return fault.New(fault.Failed, "somebody else deleted it").At(fmt.Sprintf("%s %s", kind, name))
}
