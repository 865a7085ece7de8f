package k8s

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// classFactsWorld holds a claim that is used by a pod without a node yet, so that
// everything outside the namespace would be looked at.
func classFactsWorld(t *testing.T) (*world, plan.Questions) {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: "data"}}
	claim.Spec.VolumeName, claim.Spec.AccessModes = "pv-1", []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	other := claim.DeepCopy()
	other.Name, other.Spec.VolumeName = "other", "pv-2"
	w := newWorld(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: testNamespace, Annotations: map[string]string{plan.AnnotationPrivilegedMovers: "true"},
	}}, claim, other)
	// The fake keeps what is created, and has no schema of these.
	w.typed.PrependReactor("create", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		return strings.HasPrefix(a.GetResource().Resource, "selfsubject"), a.(clienttesting.CreateAction).GetObject(), nil
	})
	return w, plan.Questions{Object: testSource, Source: "data", Claims: []string{"other", "data"}, History: "history"}
}

func testClasses() *plan.ClassFacts {
	return &plan.ClassFacts{
		SnapshotAPI: true, Namespace: testNamespace,
		StorageClasses: []plan.StorageClass{{Name: "fast", Provisioner: "csi.example", ReclaimPolicy: corev1.PersistentVolumeReclaimRetain}},
		Volumes:        []plan.Volume{{Name: "pv-1", Driver: "csi.example", NodeAffinity: &corev1.VolumeNodeAffinity{}}},
		Unknown:        []plan.Unknown{{Fact: plan.FactSnapshotClasses, Reason: "was forbidden"}},
	}
}

// outside are the requests for what lies outside a namespace, beside the Namespace itself,
// which a Role in it can let somebody read, and the questions that everybody may ask about
// himself.
func (w *world) outside() []string {
	var found []string
	for _, a := range append(slices.Clone(w.typed.Actions()), w.dynamic.Actions()...) {
		resource := a.GetResource().Resource
		if get, ok := a.(clienttesting.GetAction); ok && resource == "namespaces" && get.GetName() == testNamespace {
			continue
		}
		if a.GetNamespace() == "" && !strings.HasPrefix(resource, "selfsubject") && resource != "version" && resource != "group" && resource != "resource" {
			found = append(found, a.GetVerb()+" "+resource)
		}
		if get, ok := a.(clienttesting.GetAction); ok && resource == "secrets" {
			found = append(found, "secret "+get.GetName())
		}
	}
	return found
}

func TestClassFactsStandInForWhatIsOutsideTheNamespace(t *testing.T) {
	t.Parallel()
	w, q := classFactsWorld(t)
	if _, err := w.cluster.Observe(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if asked := w.outside(); len(asked) < 3 {
		t.Fatalf("without class facts only %v is asked for: the next look proves little", asked)
	}
	w, q = classFactsWorld(t)
	w.cluster.TakeClasses(testClasses())
	facts, err := w.cluster.Observe(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if asked := w.outside(); len(asked) > 0 {
		t.Errorf("the cluster was asked: %v", asked)
	}
	if err := w.cluster.seeBackingGone(t.Context(), backing{kind: "PersistentVolume", name: "pv-9"}); err != nil || len(w.outside()) > 0 {
		t.Errorf("after a run: %v, asked %v", err, w.outside())
	}
	if !facts.SnapshotAPI || facts.Namespace.Annotations[plan.AnnotationPrivilegedMovers] != "true" || len(facts.StorageClasses) != 1 ||
		facts.Claims[0].Volume != nil || facts.Claims[1].Volume == nil || facts.Claims[1].Volume.Driver != "csi.example" {
		t.Errorf("%+v", facts)
	}
	var unknown []string
	for _, u := range facts.Unknown {
		unknown = append(unknown, string(u.Fact)+": "+u.Reason)
	}
	slices.Sort(unknown)
	want := []string{
		"attachments: class facts hold no VolumeAttachments", "snapshotClasses: was forbidden",
		"volumes: PersistentVolume pv-2 of claim other is not among the class facts: make the schedule again",
	}
	if diff := cmp.Diff(want, unknown); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	if !slices.ContainsFunc(facts.Rights, func(r plan.Right) bool { return r.Resource == "persistentvolumes" }) {
		t.Error("whether the volumes of a class that retains can be removed was not asked")
	}
}

func TestClassFactsOfAnotherNamespaceAreRefused(t *testing.T) {
	t.Parallel()
	w, q := classFactsWorld(t)
	classes := testClasses()
	classes.Namespace = "other"
	w.cluster.TakeClasses(classes)
	if _, err := w.cluster.Observe(t.Context(), q); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("%v", err)
	}
}

// TestASkippedRunIsTold where its readers look: at the source, or at the CronJob of one
// that is not in the cluster.
func TestASkippedRunIsTold(t *testing.T) {
	t.Parallel()
	for uid, want := range map[string]corev1.ObjectReference{
		"u-1": {APIVersion: "volsync.backube/v1alpha1", Kind: "ReplicationSource", Namespace: testNamespace, Name: "app", UID: "u-1"},
		"":    {APIVersion: "batch/v1", Kind: "CronJob", Namespace: testNamespace, Name: plan.Name(plan.NameCron, testSource, "")},
	} {
		w := newWorld(t)
		p := plan.Plan{RunID: testRun, Object: testSource, Skip: &plan.Skip{Reason: plan.SkipPaused, Message: "the object is paused"}}
		p.Object.UID = uid
		if err := w.cluster.TellSkipped(t.Context(), p, time.Date(2026, 11, 22, 21, 5, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		list, err := w.typed.CoreV1().Events(testNamespace).List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%v, %d Events", err, len(list.Items))
		}
		e := list.Items[0]
		if diff := cmp.Diff(want, e.InvolvedObject); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if e.Reason != "BackupSkipped" || e.Type != corev1.EventTypeNormal || e.Message != "Skipped: the object is paused" {
			t.Errorf("%+v", e)
		}
	}
}

// TestTheCacheIsNotUnknown: its claim is made by the runs, so that class facts never hold
// its volume.
func TestTheCacheIsNotUnknown(t *testing.T) {
	t.Parallel()
	w, q := classFactsWorld(t)
	cache := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: plan.Name(plan.NameCache, testSource, "")}}
	cache.Spec.VolumeName = "pv-cache"
	if err := w.typed.Tracker().Add(cache); err != nil {
		t.Fatal(err)
	}
	q.Claims = []string{"data", cache.Name}
	w.cluster.TakeClasses(testClasses())
	facts, err := w.cluster.Observe(t.Context(), q)
	if err != nil || len(facts.Claims) != 2 {
		t.Fatalf("%+v, %v", facts, err)
	}
	if slices.ContainsFunc(facts.Unknown, func(u plan.Unknown) bool { return u.Fact == plan.FactVolumes }) {
		t.Errorf("%v", facts.Unknown)
	}
}

// TestAnotherClassThanThatOfTheClassFactsIsUnknown: the claim was made anew, and that its
// class is not among theirs does not mean that there is none.
func TestAnotherClassThanThatOfTheClassFactsIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		class   *string
		unknown bool
	}{
		"as it was":             {ptr("manual"), false}, // also one that does not exist
		"without a class":       {nil, false},
		"a class that is known": {ptr("fast"), false},
		"a class that is not":   {ptr("slow"), true},
	} {
		w, q := classFactsWorld(t)
		claim, err := w.typed.CoreV1().PersistentVolumeClaims(testNamespace).Get(t.Context(), "data", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		claim.Spec.StorageClassName = c.class
		if _, err := w.typed.CoreV1().PersistentVolumeClaims(testNamespace).Update(t.Context(), claim, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		classes := testClasses()
		classes.StorageClass, classes.Unknown = "manual", nil
		w.cluster.TakeClasses(classes)
		facts, err := w.cluster.Observe(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, fact := range []plan.FactName{plan.FactStorageClasses, plan.FactSnapshotClasses} {
			if got := slices.ContainsFunc(facts.Unknown, func(u plan.Unknown) bool { return u.Fact == fact }); got != c.unknown {
				t.Errorf("%s: %s unknown: %t, %v", name, fact, got, facts.Unknown)
			}
		}
	}
}
