package k8s

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
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
	mount := func(count int, text string) complaint {
		return complaint{kind: "Pod", name: "m", reason: "FailedMount", text: text, count: count, first: began}
	}
	const locked = "MountVolume.SetUp failed: volume is locked by another node"
	cases := map[string]struct {
		after time.Duration
		ends  bool
		check func(*Target) error
	}{
		"a volume that is held for a moment":   {5 * time.Second, false, func(x *Target) error { return x.cannotMount(mount(3, locked)) }},
		"a volume that stays held":             {40 * time.Second, true, func(x *Target) error { return x.cannotMount(mount(3, locked)) }},
		"one complaint, long ago":              {40 * time.Second, false, func(x *Target) error { return x.cannotMount(mount(1, locked)) }},
		"a Secret that is not there":           {0, true, func(x *Target) error { return x.cannotMount(mount(1, `secret "kopia" not found`)) }},
		"a ConfigMap that is not there":        {0, true, func(x *Target) error { return x.cannotMount(mount(1, `configmap "p" not found`)) }},
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
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{}}}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: end}}}
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
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
		}), false, "the limit of 64Mi"},
		"by a signal": {pod(&corev1.ContainerStateTerminated{Signal: 9}, nil), false, "killed by signal 9"},
		"by itself":   {pod(&corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}, nil), false, "exit code 2 (Error)"},
		"deleted":     {pod(nil, nil), true, "was deleted while it ran"},
		"evicted":     {pod(nil, func(p *corev1.Pod) { p.Status.Reason, p.Status.Message = "Evicted", "low on memory" }), false, "Evicted (low on memory)"},
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

// TestAPodThatNeverStartedHasNotBegun: the kubelet says "terminated" of it too.
func TestAPodThatNeverStartedHasNotBegun(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}},
	}}}}
	if hasBegun(pod) {
		t.Error("begun")
	}
	pod.Status.ContainerStatuses[0].State.Terminated.StartedAt = metav1.NewTime(began)
	if !hasBegun(pod) {
		t.Error("not begun")
	}
}
