package k8s

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// copyOfRun puts a copy's VolumeSnapshot into the cluster.
func (w *world) copyOfRun(run string) *unstructured.Unstructured {
	w.t.Helper()
	o := objectOfKind("snapshot.storage.k8s.io/v1", "VolumeSnapshot", testNamespace, "copy-"+run, nil)
	o.SetLabels(map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRole: plan.RoleCopy, plan.LabelRun: run})
	o.SetFinalizers([]string{"example.com/slow-storage"})
	made, err := w.dynamic.Resource(resources()["VolumeSnapshot"]).Namespace(testNamespace).Create(w.t.Context(), o, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// TestACopyWhoseJobIsGoneIsFound: something has refused its deletion when its Job
// went. The copy of a run that has a Job is that run's.
func TestACopyWhoseJobIsGoneIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(startedAgo(time.Minute)))
	w.copyOfRun(testRun)
	orphan := w.copyOfRun("long-gone")
	remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Copies) != 1 || remains.Copies[0].GetName() != orphan.GetName() {
		t.Fatalf("%v, %v", remains.Copies, err)
	}
	if err := w.cluster.RemoveCopies(t.Context(), remains.Copies); err != nil {
		t.Fatal(err)
	}
	if remains, err = w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Copies) > 0 {
		t.Errorf("still %v, %v", remains.Copies, err)
	}
}

// TestARemovalThatDoesNotEndSaysWhatHoldsIt, after as long as it may take.
func TestARemovalThatDoesNotEndSaysWhatHoldsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stuck := w.copyOfRun("stuck")
	w.dynamic.PrependReactor("delete", "volumesnapshots", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	w.cluster.AllowRemoval(10 * time.Millisecond)
	err := w.cluster.RemoveCopies(t.Context(), []*unstructured.Unstructured{stuck})
	if fault.KindOf(err) != fault.Leftover {
		t.Fatalf("%v", err)
	}
	var report strings.Builder
	fault.Report(&report, err)
	for _, says := range []string{"copy-stuck", "waited 10ms", "example.com/slow-storage", "cleanup -n " + testNamespace} {
		if !strings.Contains(report.String(), says) {
			t.Errorf("does not say %q:\n%s", says, report.String())
		}
	}
}

// collected is the mover's Job after its run's command has kept it for its log.
func collected(j *batchv1.Job) {
	startedAgo(time.Hour)(j)
	j.Annotations[plan.AnnotationCollected] = "true"
	j.Spec.TTLSecondsAfterFinished = ptr(int32(3600))
}

// TestACopyOfACollectedRunIsFound: it did not go in time, and its run's Job is kept for
// its log.
func TestACopyOfACollectedRunIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, moverJob(collected), moverPod(ended(good())))
	stuck := w.copyOfRun(testRun)
	remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Runs) != 1 || len(remains.Copies) > 0 {
		t.Fatalf("%+v, %v", remains, err)
	}
	if left := remains.Runs[0].Copies(); len(left) != 1 || left[0].GetName() != stuck.GetName() {
		t.Errorf("%v", left)
	}
	if err := w.cluster.Bury(t.Context(), remains.Runs[0], time.Now, t.Logf); err != nil {
		t.Fatal(err)
	}
	remains, err = w.cluster.Remains(t.Context(), testNamespace, time.Now)
	if err != nil || len(remains.Runs)+len(remains.Leases)+len(remains.Copies) > 0 || *w.run().job.Spec.TTLSecondsAfterFinished != 3600 {
		t.Errorf("still %+v, %v; %+v", remains, err, w.run().job.Spec)
	}
}

// TestACopyOfACollectedRunIsLeftToItsHolder: the Job is marked before the Lease is
// given back.
func TestACopyOfACollectedRunIsLeftToItsHolder(t *testing.T) {
	t.Parallel()
	other := moverJob(startedAgo(time.Minute))
	other.Name, other.UID, other.Labels = "vk-src-app-other", "other", labelsOf(plan.RoleMover)
	other.Labels[plan.LabelRun] = "other"
	w := newWorld(t, moverJob(collected), other)
	w.copyOfRun(testRun)
	if remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Runs)+len(remains.Copies) > 0 {
		t.Errorf("%+v, %v", remains, err)
	}
}

// TestACopyThatIsKeptOnPurposeKeepsItsJob: with its owner it would go, and what its
// class keeps would stay without a trace.
func TestACopyThatIsKeptOnPurposeKeepsItsJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep int32
		end  func(*Target) error
	}{
		"of a run that has ended": {3600, func(x *Target) error {
			return x.keep(t.Context(), plan.Step{Targets: []int{1}, KeepSeconds: ptr(int32(3600))}, ptr(good()))
		}},
		"and whose Job is not kept": {0, func(x *Target) error {
			return x.keep(t.Context(), plan.Step{Targets: []int{1}, KeepSeconds: ptr(int32(0))}, ptr(good()))
		}},
		"of a run that never began": {0, func(x *Target) error {
			return x.Undo(t.Context(), plan.Cleanup{Step: 1, Action: plan.CleanupDeleteUnstarted})
		}},
	} {
		w := newWorld(t, moverJob(note(plan.AnnotationKeep, strconv.Itoa(int(c.keep)))))
		claim, allow := w.retained()
		p := plan.Plan{RunID: testRun, Object: testSource, Steps: []plan.Step{{ID: 9, Kind: plan.StepReclaim, Reclaim: &plan.Reclaim{Kind: "PersistentVolume"}}}}
		x := NewTarget(w.cluster, p, Outcome{}, deaf{}, time.Now, func(error) {})
		x.keepObject(1, untype(t, moverJob()))
		x.keepObject(2, claim)
		if err := x.remove(t.Context(), 2); fault.CodeOf(err) != 8 {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.end(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		x.Close()
		if r := w.run(); r.State != RunCollected || r.job.Spec.TTLSecondsAfterFinished != nil {
			t.Errorf("%s: %s, %+v", name, r.State, r.job.Spec)
		}
		l := w.leaseFor("next") // a later run is not kept from its work
		if err := l.take(t.Context(), wantedLease("next"), t.Logf); err != nil {
			t.Errorf("%s: the next run: %v", name, err)
		}
		if err := l.release(t.Context()); err != nil {
			t.Error(err)
		}
		allow()
		remains, err := w.cluster.Remains(t.Context(), testNamespace, time.Now)
		if err != nil || len(remains.Runs) != 1 || len(remains.Runs[0].Copies()) != 1 {
			t.Fatalf("%s: %+v, %v", name, remains, err)
		}
		if err := w.cluster.Bury(t.Context(), remains.Runs[0], time.Now, t.Logf); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if remains, err = w.cluster.Remains(t.Context(), testNamespace, time.Now); err != nil || len(remains.Runs) > 0 {
			t.Errorf("%s: still %+v, %v", name, remains, err)
		}
	}
}

// retained puts a copy's claim into the cluster whose volume its class keeps, and
// nobody may say otherwise until it is allowed.
func (w *world) retained() (claim *unstructured.Unstructured, allow func()) {
	w.t.Helper()
	pv := objectOfKind("v1", "PersistentVolume", "", "pv", map[string]any{"spec": map[string]any{"persistentVolumeReclaimPolicy": "Retain"}})
	claim = objectOfKind("v1", "PersistentVolumeClaim", testNamespace, "copy", map[string]any{"spec": map[string]any{"volumeName": "pv"}})
	claim.SetLabels(map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRole: plan.RoleCopy, plan.LabelRun: testRun})
	volumes := resources()["PersistentVolume"]
	if _, err := w.dynamic.Resource(volumes).Create(w.t.Context(), pv, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.dynamic.Resource(resources()["PersistentVolumeClaim"]).Namespace(testNamespace).Create(w.t.Context(), claim, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.dynamic.PrependReactor("delete", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
		return false, nil, w.dynamic.Tracker().Delete(volumes, "", "pv")
	})
	allowed := false
	w.dynamic.PrependReactor("patch", "persistentvolumes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return !allowed, nil, apierrors.NewForbidden(corev1.Resource("persistentvolumes"), "pv", errors.New("no"))
	})
	return claim, func() { allowed = true }
}

// TestAJobThatSomebodyHasRemovedNeedsNoMark: nothing is left of it.
func TestAJobThatSomebodyHasRemovedNeedsNoMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := NewTarget(w.cluster, plan.Plan{RunID: testRun, Object: testSource}, Outcome{}, deaf{}, time.Now, func(error) {})
	defer x.Close()
	x.keepObject(1, untype(t, moverJob()))
	if err := x.keep(t.Context(), plan.Step{Targets: []int{1}, KeepSeconds: ptr(int32(3600))}, ptr(good())); err != nil {
		t.Error(err)
	}
}

// TestALeaseThatHasChangedHandsIsLeft: it is a living run's now.
func TestALeaseThatHasChangedHandsIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dead := w.heldBy(testRun)
	l := w.leaseFor("next")
	if err := l.seize(t.Context(), dead, wantedLease("next")); err != nil {
		t.Fatal(err)
	}
	l.stop()
	if released, err := w.cluster.ReleaseDead(t.Context(), dead); released || err != nil || labelOf(w.held()) != "next" {
		t.Errorf("%v, %v, held by %v", released, err, w.held())
	}
	if released, err := w.cluster.ReleaseDead(t.Context(), w.held()); !released || err != nil || w.held() != nil {
		t.Errorf("%v, %v", released, err)
	}
}

// TestARunIsEndedWithTheRightsOfItsKind: who runs Direct backups may list no claims and
// no snapshots, and who clones no snapshots.
func TestARunIsEndedWithTheRightsOfItsKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		copied bool
		from   string
		denied []string
		code   fault.ExitCode
	}{
		"Direct":                          {false, "", []string{"persistentvolumeclaims", "volumesnapshots"}, 0},
		"a clone":                         {true, "PersistentVolumeClaim", []string{"volumesnapshots"}, 0},
		"a clone, and nobody may see it":  {true, "PersistentVolumeClaim", []string{"persistentvolumeclaims", "volumesnapshots"}, 8},
		"a snapshot, and nobody may see":  {true, "VolumeSnapshot", []string{"volumesnapshots"}, 8},
		"a copy whose claim was not made": {true, "", []string{"volumesnapshots"}, 8},
		"a snapshot, and all may be seen": {true, "VolumeSnapshot", nil, 0},
		"Direct, and all may be seen":     {false, "", nil, 0},
		"a clone, and all may be seen":    {true, "PersistentVolumeClaim", nil, 0},
	} {
		w := newWorld(t, moverJob(func(j *batchv1.Job) {
			claim := "the-source"
			if c.copied {
				claim = j.Name
			}
			j.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
			}}}
		}))
		if c.from != "" {
			claim := objectOfKind("v1", "PersistentVolumeClaim", testNamespace, testJob, map[string]any{"spec": map[string]any{"dataSource": map[string]any{"kind": c.from}}})
			claim.SetLabels(labelsOf(plan.RoleCopy))
			if _, err := w.dynamic.Resource(resources()["PersistentVolumeClaim"]).Namespace(testNamespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, kind := range c.denied {
			mayNot(w.dynamic, "list", kind)
		}
		if _, err := w.cluster.bury(t.Context(), w.run(), nil, time.Now, t.Logf); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
