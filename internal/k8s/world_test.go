package k8s

import (
	"encoding/json"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const testRun = "20261122-2105-x7k2q"

var testSource = result.ObjectRef{Kind: "ReplicationSource", Namespace: testNamespace, Name: "app"}

// world is a cluster of two fakes that agree on Jobs and pods, and that keeps the
// versions of Leases as an API server does.
type world struct {
	t       *testing.T
	cluster *Cluster
	typed   *fake.Clientset
	dynamic *dynamicfake.FakeDynamicClient
	version atomic.Int64
}

func newWorld(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	kinds := map[schema.GroupVersionResource]string{}
	for kind, gvr := range resources() {
		kinds[gvr] = kind + "List"
	}
	var untyped []runtime.Object
	for _, o := range objects {
		switch o.(type) {
		case *batchv1.Job, *corev1.Pod:
			untyped = append(untyped, untype(t, o))
		}
	}
	w := &world{
		t: t, typed: fake.NewClientset(objects...),
		dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, untyped...),
	}
	w.typed.PrependReactor("*", "leases", w.lease)
	w.typed.PrependReactor("patch", "jobs", w.mirror)
	w.dynamic.PrependReactor("delete", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		_ = w.typed.Tracker().Delete(a.GetResource(), a.GetNamespace(), a.(clienttesting.DeleteAction).GetName())
		return false, nil, nil
	})
	w.cluster = &Cluster{typed: w.typed, dynamic: w.dynamic}
	return w
}

func untype(t *testing.T, o runtime.Object) *unstructured.Unstructured {
	t.Helper()
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	if _, pod := o.(*corev1.Pod); pod {
		u.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	}
	return u
}

// mirror does a change of a Job in both fakes.
func (w *world) mirror(a clienttesting.Action) (bool, runtime.Object, error) {
	_, changed, err := clienttesting.ObjectReaction(w.typed.Tracker())(a)
	if err != nil {
		return true, nil, err
	}
	_ = w.dynamic.Tracker().Update(a.GetResource(), untype(w.t, changed), a.GetNamespace())
	return true, changed, nil
}

// lease counts the versions of Leases, and refuses what names an old one.
func (w *world) lease(a clienttesting.Action) (bool, runtime.Object, error) {
	tracker := w.typed.Tracker()
	old := func(name, version string) error {
		found, err := tracker.Get(a.GetResource(), a.GetNamespace(), name)
		if err != nil {
			return err
		}
		if found.(*coordinationv1.Lease).ResourceVersion != version {
			return apierrors.NewConflict(a.GetResource().GroupResource(), name, nil)
		}
		return nil
	}
	switch a := a.(type) {
	case clienttesting.CreateAction: // an update is one, too
		l := a.GetObject().(*coordinationv1.Lease).DeepCopy()
		if a.GetVerb() == "update" {
			if err := old(l.Name, l.ResourceVersion); err != nil {
				return true, nil, err
			}
			l.ResourceVersion = strconv.FormatInt(w.version.Add(1), 10)
			return true, l, tracker.Update(a.GetResource(), l, a.GetNamespace())
		}
		l.ResourceVersion = strconv.FormatInt(w.version.Add(1), 10)
		return true, l, tracker.Create(a.GetResource(), l, a.GetNamespace())
	case clienttesting.DeleteActionImpl:
		if p := a.DeleteOptions.Preconditions; p != nil && p.ResourceVersion != nil {
			if err := old(a.Name, *p.ResourceVersion); err != nil {
				return true, nil, err
			}
		}
	}
	return false, nil, nil
}

// held is the source's Lease, or nil.
func (w *world) held() *coordinationv1.Lease {
	w.t.Helper()
	l, err := w.cluster.typed.CoordinationV1().Leases(testNamespace).Get(w.t.Context(), plan.Name(plan.NameSource, testSource, ""), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// heldBy makes the Lease of a run.
func (w *world) heldBy(run string) *coordinationv1.Lease {
	w.t.Helper()
	l, err := w.cluster.typed.CoordinationV1().Leases(testNamespace).Create(w.t.Context(), wantedLease(run), metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func wantedLease(run string) *coordinationv1.Lease {
	seconds := int32(1)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: plan.Name(plan.NameSource, testSource, ""), Namespace: testNamespace, UID: "lease",
			Labels: map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRun: run},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &run, LeaseDurationSeconds: &seconds},
	}
}

// leaseFor is the Lease of a new run.
func (w *world) leaseFor(run string) *lease {
	return newLease(w.cluster, plan.Plan{RunID: run, Object: testSource}, time.Now, func(error) {})
}

// run is the run as the cluster has it now.
func (w *world) run() Run {
	w.t.Helper()
	r, err := w.cluster.FindRun(w.t.Context(), testNamespace, testRun)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// events are the messages of the events that were written.
func (w *world) events() []string {
	w.t.Helper()
	list, err := w.cluster.typed.CoreV1().Events(testNamespace).List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	said := make([]string, len(list.Items))
	for i := range list.Items {
		said[i] = list.Items[i].Message
	}
	return said
}

// history is what is kept of the source's runs.
func (w *world) history() []result.Result {
	w.t.Helper()
	m, err := w.cluster.typed.CoreV1().ConfigMaps(testNamespace).Get(w.t.Context(), plan.Name(plan.NameStatus, testSource, ""), metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := decodeHistory(m)
	if err != nil {
		w.t.Fatal(err)
	}
	return h.Results
}

// labelsOf are those of the test's run with a role.
func labelsOf(role string) map[string]string {
	return map[string]string{
		plan.LabelManagedBy: plan.ManagedBy, plan.LabelRun: testRun, plan.LabelRole: role, plan.LabelSource: plan.SourceLabel(testSource),
	}
}

// moverJob is the Job of the test's run, prepared and not started.
func moverJob(change ...func(*batchv1.Job)) *batchv1.Job {
	task, err := json.Marshal(result.Task{
		APIVersion: result.APIVersion, Kind: result.KindTask, RunID: testRun, Operation: result.OperationBackup, Object: testSource,
		Backup: &result.BackupTask{},
	})
	if err != nil {
		panic(err)
	}
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: testJob, Namespace: testNamespace, UID: "job", Labels: labelsOf(plan.RoleMover),
			Annotations: map[string]string{plan.AnnotationObject: testSource.String(), plan.AnnotationKeep: "3600", plan.AnnotationStartLimit: "10m0s"},
		},
		Spec: batchv1.JobSpec{Suspend: ptr(true), Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labelsOf(plan.RoleMover), Annotations: map[string]string{plan.AnnotationTask: string(task)}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "mover"}}},
		}},
	}
	for _, c := range change {
		c(j)
	}
	return j
}

// startedAgo lets the Job's mover start.
func startedAgo(ago time.Duration) func(*batchv1.Job) {
	return func(j *batchv1.Job) {
		j.Spec.Suspend = ptr(false)
		j.Annotations[plan.AnnotationStarted] = time.Now().Add(-ago).UTC().Format(time.RFC3339)
	}
}

// toldToStop suspends a Job that was started.
func toldToStop(j *batchv1.Job) { startedAgo(time.Minute)(j); j.Spec.Suspend = ptr(true) }

// note puts an annotation on the Job.
func note(name, value string) func(*batchv1.Job) {
	return func(j *batchv1.Job) { j.Annotations[name] = value }
}

// moverPod is the pod of the test's Job.
func moverPod(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: testJob + "-abcde", Namespace: testNamespace, Labels: labelsOf(plan.RoleMover),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: testJob, UID: "job", Controller: ptr(true)}},
		},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "mover"}}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func running(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

// deletionDue is a pod that was to be gone so long ago.
func deletionDue(ago time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.DeletionTimestamp = ptr(metav1.NewTime(time.Now().Add(-ago))) }
}

// ended ends the pod with the Result as its last words.
func ended(r result.Result) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		r.APIVersion, r.Kind, r.RunID, r.Operation, r.Object = result.APIVersion, result.KindResult, testRun, result.OperationBackup, testSource
		text, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		p.Status.Phase = corev1.PodSucceeded
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			StartedAt: metav1.Now(), Message: string(text),
		}}}}
	}
}

// good and cut are what a mover says that has succeeded or was told to stop.
func good() result.Result {
	return result.Result{Outcome: result.Succeeded, Snapshot: &result.Snapshot{ID: "k1", Proved: result.ProveBlobs}}
}

func cutShort() result.Result {
	return result.Result{
		Outcome: result.Cancelled, ExitCode: 143, Message: "stopped by SIGTERM", Snapshot: &result.Snapshot{ID: "k1", Incomplete: "canceled"},
	}
}
