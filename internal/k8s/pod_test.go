package k8s

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

var began = time.Date(2026, 11, 24, 2, 47, 0, 0, time.UTC)

// targetAt is a target whose clock stands so long after the run began.
func targetAt(after time.Duration) *Target {
	return &Target{
		plan: plan.Plan{Object: result.ObjectRef{Namespace: "prod"}}, now: func() time.Time { return began.Add(after) },
		firstSeen: map[string]time.Time{"image": began, "container": began},
	}
}

func TestWhatIsPermanentEndsTheWait(t *testing.T) {
	t.Parallel()
	mount := func(lasted time.Duration, text string) complaint {
		return complaint{kind: "Pod", name: "m", reason: "FailedMount", text: text, count: 3, first: began, last: began.Add(lasted)}
	}
	const locked = "MountVolume.SetUp failed: volume is locked by another node"
	cases := map[string]struct {
		after time.Duration
		ends  bool
		check func(*Target) error
	}{
		"a volume that is held for a moment":   {5 * time.Second, false, func(x *Target) error { return x.cannotMount(mount(5*time.Second, locked)) }},
		"a volume that stays held":             {40 * time.Second, true, func(x *Target) error { return x.cannotMount(mount(32*time.Second, locked)) }},
		"a volume that was mounted in the end": {40 * time.Second, false, func(x *Target) error { return x.cannotMount(mount(4*time.Second, locked)) }},
		"a Secret that is not there":           {0, true, func(x *Target) error { return x.cannotMount(mount(0, `secret "kopia" not found`)) }},
		"a ConfigMap that is not there":        {0, true, func(x *Target) error { return x.cannotMount(mount(0, `configmap "p" not found`)) }},
		"an event that is no mount's":          {time.Hour, false, func(x *Target) error { return x.cannotMount(complaint{reason: "BackOff", count: 9, first: began}) }},
		"a registry that hiccups":              {5 * time.Second, false, waits("ErrImagePull")},
		"an image that is not there":           {25 * time.Second, true, waits("ImagePullBackOff")},
		"a name that is none":                  {0, true, waits("InvalidImageName")},
		"a container that cannot be set up":    {0, true, waits("CreateContainerConfigError")},
		"a container that is not made at once": {5 * time.Second, false, waits("CreateContainerError")},
		"a reason that nobody knows":           {time.Hour, false, waits("SomethingNew")},
	}
	for name, c := range cases {
		if err := c.check(targetAt(c.after)); (err != nil) != c.ends {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func waits(reason string) func(*Target) error {
	return func(x *Target) error {
		return x.cannotStart(&corev1.Pod{}, &corev1.ContainerStateWaiting{Reason: reason, Message: "why"})
	}
}

func TestAMoversEndIsNamed(t *testing.T) {
	t.Parallel()
	pod := func(end *corev1.ContainerStateTerminated, change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "mesh"}, {Name: moverContainer}}}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "mesh"}, {Name: moverContainer, State: corev1.ContainerState{Terminated: end}}}
		if change != nil {
			change(p)
		}
		return p
	}
	cases := map[string]struct {
		pod  *corev1.Pod
		gone bool
		want string
	}{
		"never seen": {nil, false, "never seen"},
		"out of memory": {pod(&corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}, func(p *corev1.Pod) {
			p.Spec.Containers[1].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
		}), false, "the limit of 64Mi"},
		"by a signal": {pod(&corev1.ContainerStateTerminated{Signal: 9}, nil), false, "killed by signal 9"},
		"by itself":   {pod(&corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}, nil), false, "exit code 2 (Error)"},
		"deleted":     {pod(nil, nil), true, "was deleted while it ran"},
		"not at all": {pod(nil, func(p *corev1.Pod) {
			p.Spec.NodeName, p.Status.Phase, p.DeletionTimestamp = "n1", corev1.PodRunning, &metav1.Time{Time: began}
		}), false, "node n1 has not said how the mover's pod m has ended; the pod was deleted"},
		"evicted": {pod(nil, func(p *corev1.Pod) { p.Status.Reason, p.Status.Message = "Evicted", "low on memory" }), false, "Evicted (low on memory)"},
		"drained": {pod(nil, func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting",
			}}
		}), true, "EvictionByEvictionAPI (Eviction API: evicting)"},
	}
	for name, c := range cases {
		if how, _ := ending(c.pod, c.gone); !strings.Contains(how, c.want) {
			t.Errorf("%s: %q, want %q in it", name, how, c.want)
		}
	}
}

// TestHintsNameTheFieldsOfTheKind: a KopiaMaintenance has no spec.kopia.
func TestHintsNameTheFieldsOfTheKind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][2]string{
		spec.KindReplicationSource: {"raise spec.kopia.moverResources.limits.memory", "correct spec.kopia.moverAffinity or spec.kopia.moverResources, or"},
		spec.KindKopiaMaintenance:  {"raise spec.resources.limits.memory", "correct spec.affinity or spec.resources, or"},
	} {
		object := result.ObjectRef{Kind: kind, Namespace: "prod", Name: "nightly"}
		killed := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: moverContainer}}}}
		killed.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, StartedAt: metav1.Time{Time: began}},
		}}}
		collect := &run.Collector{Task: &result.Task{Object: object}, Now: time.Now, Stopped: func() error { return nil }}
		if r := concluded(collect, killed, false); r.Hint != want[0] {
			t.Errorf("%s, out of memory: %q, want %q", kind, r.Hint, want[0])
		}
		late := result.Result{Object: object}
		outOfTime(&late, killed)
		if both := strings.Contains(late.Hint, "spec.activeDeadlineSeconds"); both != (kind == spec.KindKopiaMaintenance) {
			t.Errorf("%s, out of time: %q", kind, late.Hint)
		}
		x := targetAt(time.Hour)
		x.cluster, x.plan.Object, x.firstSeen["unschedulable"] = newWorld(t).cluster, object, began
		err := x.cannotPlace(t.Context(), killed, &corev1.PodCondition{Reason: corev1.PodReasonUnschedulable}, plan.Wait{Timeout: 1})
		var f *fault.Error
		if !errors.As(err, &f) || !strings.Contains(f.Hint, want[1]) {
			t.Errorf("%s, no node: %v, want %q in its hint", kind, err, want[1])
		}
	}
}

// TestAPodThatNeverStartedHasNotBegun: the kubelet says "terminated" of it too.
func TestAPodThatNeverStartedHasNotBegun(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: moverContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}},
	}}}}
	if hasBegun(pod) {
		t.Error("begun")
	}
	pod.Status.ContainerStatuses[0].State.Terminated.StartedAt = metav1.NewTime(began)
	if !hasBegun(pod) {
		t.Error("not begun")
	}
}

// TestContainersOfOthersAreNotTheMover: admission puts them into any pod.
func TestContainersOfOthersAreNotTheMover(t *testing.T) {
	t.Parallel()
	mesh := corev1.ContainerStatus{Name: "mesh"}
	pod := func(mesh, mover corev1.ContainerState) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "mesh", State: mesh}, {Name: moverContainer, State: mover}}}}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, StartedAt: metav1.NewTime(began)}}
	pulling := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}
	if p := pod(running, corev1.ContainerState{}); started(p) || hasBegun(p) {
		t.Error("a mover beside a container that runs has started")
	}
	if p := pod(ended, running); terminated(p) != nil || !started(p) {
		t.Error("a mover beside a container that has ended has ended")
	}
	if p := pod(pulling, running); waiting(p) != nil {
		t.Error("a mover beside a container that waits waits")
	}
	if p := pod(running, ended); terminated(p) == nil {
		t.Error("a mover has not ended before the container beside it")
	}
	if p := (&corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{mesh}}}); started(p) || terminated(p) != nil || waiting(p) != nil {
		t.Error("a mover that has no status yet")
	}
}

// seesPod gives the target a pod of the run as its watch would.
func seesPod(t *testing.T, x *Target, pod *corev1.Pod, gone bool) {
	t.Helper()
	pod.Labels = map[string]string{plan.LabelRole: plan.RoleMover}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		t.Fatal(err)
	}
	x.view.note("Pod", &unstructured.Unstructured{Object: object}, gone)
}

// TestWhatNoNodeTakesEndsTheWait unless an autoscaler has said that it makes one.
func TestWhatNoNodeTakesEndsTheWait(t *testing.T) {
	t.Parallel()
	pod := func(reason, message string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: testNamespace, UID: "1"}}
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message,
		}}
		return p
	}
	scaling := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: testNamespace}, Reason: "TriggeredScaleUp",
		InvolvedObject: corev1.ObjectReference{Name: "m", UID: "1"},
	}
	cases := map[string]struct {
		reason        string
		after, budget time.Duration
		events        []runtime.Object
		ends          bool
	}{
		"its volume is being made":         {"Unschedulable", time.Hour, 5 * time.Minute, nil, false},
		"at first":                         {"Unschedulable", 10 * time.Second, 5 * time.Minute, nil, false},
		"past its grace":                   {"Unschedulable", placeGrace, 5 * time.Minute, nil, true},
		"a node is on its way":             {"Unschedulable", placeGrace, 5 * time.Minute, []runtime.Object{scaling}, false},
		"the scheduler's own error passes": {"SchedulerError", time.Hour, 5 * time.Minute, nil, false},
		"somebody wants to wait":           {"Unschedulable", 10 * time.Minute, 30 * time.Minute, nil, false},
		"without any limit":                {"Unschedulable", time.Hour, 0, nil, false},
	}
	for name, c := range cases {
		now := began
		x := NewTarget(&Cluster{typed: fake.NewClientset(c.events...)}, plan.Plan{}, Outcome{}, &heard{}, func() time.Time { return now }, func(error) {})
		message := "0/3 nodes are available"
		if name == "its volume is being made" {
			message += ": pod has unbound immediate PersistentVolumeClaims"
		}
		seesPod(t, x, pod(c.reason, message), false)
		s, err := x.scheduledState(t.Context(), testJob, plan.Wait{Timeout: result.Duration(c.budget)})
		if err != nil || s.done || s.why != c.reason+": "+message {
			t.Errorf("%s: at once: %+v, %v", name, s, err)
		}
		now = now.Add(c.after)
		_, err = x.scheduledState(t.Context(), testJob, plan.Wait{Timeout: result.Duration(c.budget)})
		if (err != nil) != c.ends || c.ends && (fault.CodeOf(err) != 1 || !strings.Contains(err.Error(), "0/3 nodes")) {
			t.Errorf("%s: %v", name, err)
		}
		x.Close()
	}
}

// TestTheClaimsComplaintIsTold: a claim that its consumer binds is waited for as
// long as the mover has no node.
func TestTheClaimsComplaintIsTold(t *testing.T) {
	t.Parallel()
	x := NewTarget(&Cluster{}, plan.Plan{}, Outcome{}, &heard{}, time.Now, func(error) {})
	defer x.Close()
	claim := &unstructured.Unstructured{Object: map[string]any{"kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": "copy"}}}
	x.keepObject(1, claim)
	seesPod(t, x, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "m"}}, false)
	x.warnings.keep(&corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "PersistentVolumeClaim", Name: "copy"}, Reason: "ProvisioningFailed", Message: "quota of the pool is used up",
	})
	if s, err := x.scheduledState(t.Context(), testJob, plan.Wait{}); err != nil || !strings.Contains(s.why, "ProvisioningFailed: quota of the pool is used up") {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestAPodThatWasMadeInTheEndIsWaitedFor: a webhook that restarted has refused it at
// first, and its volume takes its time.
func TestAPodThatWasMadeInTheEndIsWaitedFor(t *testing.T) {
	t.Parallel()
	now := began
	w := newWorld(t)
	x := NewTarget(w.cluster, plan.Plan{}, Outcome{}, &heard{}, func() time.Time { return now }, func(error) {})
	defer x.Close()
	x.keepObject(1, untype(t, moverJob()))
	x.warnings.keep(&corev1.Event{
		InvolvedObject: corev1.ObjectReference{Kind: "Job", Name: testJob}, Reason: "FailedCreate", Message: "failed calling webhook",
	})
	now = began.Add(createGrace)
	if _, err := x.scheduledState(t.Context(), testJob, plan.Wait{}); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("without a pod: %v", err)
	}
	seesPod(t, x, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: testJob + "-abcde"}}, false)
	if s, err := x.scheduledState(t.Context(), testJob, plan.Wait{}); err != nil || s.done {
		t.Errorf("with a pod: %+v, %v", s, err)
	}
}
