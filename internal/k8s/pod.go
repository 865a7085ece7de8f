package k8s

import (
	"context"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// moverContainer is the mover's container in its pod.
const moverContainer = "mover"

// Grace periods of reasons that may go away by themselves.
const (
	// imageGrace bears a registry that hiccups.
	imageGrace = 20 * time.Second
	// mountGrace bears a volume that is still attached elsewhere for a moment.
	mountGrace = 30 * time.Second
	// createGrace bears an admission webhook that restarts.
	createGrace = 20 * time.Second
	// placeGrace bears a node that is about to have room again.
	placeGrace = time.Minute
	// podLag bears a Job controller that is slow, before the Job is looked at.
	podLag = 5 * time.Second
)

// awaitsClaim is in what the scheduler says of a pod whose volume is still being
// made, which may take as long as the budget allows (pkg/scheduler's volume
// binding plugin).
const awaitsClaim = "unbound immediate PersistentVolumeClaims"

// pod returns the mover's pod as last seen; nil: none was seen.
func (t *Target) pod() (pod *corev1.Pod, gone bool, err error) {
	return t.podWith(t.role)
}

// podWith is the run's pod with the role.
func (t *Target) podWith(role string) (pod *corev1.Pod, gone bool, err error) {
	object, gone := t.view.pod(role)
	if object == nil {
		return nil, false, nil
	}
	pod = &corev1.Pod{}
	return pod, gone, convert(object, pod)
}

// scheduledState judges whether the mover has a node within its budget.
func (t *Target) scheduledState(ctx context.Context, job string, budget plan.Wait) (state, error) {
	pod, gone, err := t.pod()
	switch {
	case err != nil:
		return state{}, err
	case pod == nil:
		if err := t.cannotCreate(); err != nil {
			return state{}, err
		}
		return t.podlessState(ctx, job)
	case gone, pod.Spec.NodeName != "":
		return state{done: true}, nil // what became of it is the next wait's business
	}
	why := "the scheduler has not placed it"
	c := unscheduled(pod)
	if c != nil {
		why = c.Reason + ": " + c.Message
	}
	if claim, ok := t.warnings.newest("PersistentVolumeClaim"); ok { // it is placed with its volumes, which its driver makes now
		why += "; " + claim.String()
	}
	return state{why: why}, t.cannotPlace(ctx, pod, c, budget)
}

// podlessState judges a Job whose pod has not been seen. In its time it is looked at:
// one that somebody else has suspended or deleted makes none.
func (t *Target) podlessState(ctx context.Context, job string) (state, error) {
	const condition = "without a pod"
	unmade := state{why: "the Job controller has not made its pod"}
	if t.now().Sub(t.since(condition)) < podLag {
		return unmade, nil
	}
	t.past(condition) // looked at again after another lag
	j, err := t.cluster.typed.BatchV1().Jobs(t.plan.Object.Namespace).Get(ctx, job, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return state{}, deletedByOthers("Job", job)
	case err != nil || !suspended(j):
		return unmade, nil //nolint:nilerr // what cannot be looked at is waited for
	}
	if podless, err := t.isPodless(ctx); err != nil || !podless {
		return unmade, nil //nolint:nilerr // see above
	}
	return state{}, stoppedError{j}
}

// stoppedError says that somebody else has suspended a Job before it had a pod.
type stoppedError struct{ job *batchv1.Job }

func (e stoppedError) Error() string { return "the mover was stopped by " + whoStopped(e.job, nil) }

// unscheduled is what the scheduler says of a pod that it could not place; nil: it
// has not said that.
func unscheduled(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c
		}
	}
	return nil
}

// cannotPlace ends the wait for a pod that no node takes, and that none is being
// made for. The scheduler's own errors, which it calls otherwise, pass. Who sets a
// budget beyond the default wants to wait for a node that others leave.
func (t *Target) cannotPlace(ctx context.Context, pod *corev1.Pod, c *corev1.PodCondition, budget plan.Wait) error {
	const condition = "unschedulable"
	usual := plan.DefaultOptions().Timeouts.Scheduled
	if budget.Timeout == 0 || budget.Timeout > usual {
		return nil
	}
	if c == nil || c.Reason != corev1.PodReasonUnschedulable || strings.Contains(c.Message, awaitsClaim) {
		t.past(condition)
		return nil
	}
	if t.now().Sub(t.since(condition)) < placeGrace {
		return nil
	}
	if t.nodesToCome(ctx, pod) {
		t.past(condition) // asked again after another grace
		return nil
	}
	return fault.New(fault.Failed, "no node takes the mover: %s", c.Message).At("pod " + pod.Namespace + "/" + pod.Name).
		WithWhy("the scheduler has said so for " + placeGrace.String() + " (the text above is its own)").
		WithHint("correct " + spec.FieldsOf(t.plan.Object.Kind, "spec.kopia.moverAffinity or spec.kopia.moverResources") +
			", or make room; a --scheduled-timeout of more than " + time.Duration(usual).String() + " waits on whatever the scheduler says")
}

// nodesToCome reports whether an autoscaler has said that it makes a node for the
// pod, which takes minutes.
func (t *Target) nodesToCome(ctx context.Context, pod *corev1.Pod) bool {
	events, err := t.cluster.typed.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "type=Normal,involvedObject.name=" + pod.Name,
	})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
		return e.InvolvedObject.UID == pod.UID && (e.Reason == "TriggeredScaleUp" || e.Reason == "Nominated")
	})
}

// startedState judges whether the mover's container has started.
func (t *Target) startedState() (state, error) {
	pod, gone, err := t.pod()
	if err != nil || pod == nil {
		return state{}, err
	}
	if gone || started(pod) || terminated(pod) != nil || pod.Status.Phase == corev1.PodFailed {
		return state{done: true}, nil
	}
	if c, ok := t.warnings.newest("Pod"); ok {
		if err := t.cannotMount(c); err != nil {
			return state{}, err
		}
	}
	if w := waiting(pod); w != nil {
		return state{why: strings.TrimSuffix(w.Reason+": "+w.Message, ": ")}, t.cannotStart(pod, w)
	}
	if c, ok := t.warnings.newest("Pod"); ok {
		return state{why: c.String()}, nil
	}
	return state{why: "the kubelet has not started it"}, nil
}

// cannotCreate ends the wait for a pod that the API server does not accept.
func (t *Target) cannotCreate() error {
	c, ok := t.warnings.newest("Job")
	if !ok || c.reason != "FailedCreate" {
		return nil
	}
	if !strings.Contains(c.text, "is forbidden") && t.now().Sub(c.first) < createGrace {
		return nil
	}
	return fault.New(fault.Failed, "the mover's pod cannot be made: %s", c.text).At("Job " + c.name).
		WithWhy("the API server refused the pod (the text above is its own)").
		WithHint("kubectl volsync-kopia doctor checks quotas and Pod Security beforehand")
}

// cannotMount ends the wait for a pod whose volumes cannot be mounted. Nobody says
// when they are: a driver that is tried again and again must still complain.
func (t *Target) cannotMount(c complaint) error {
	if c.reason != "FailedMount" && c.reason != "FailedAttachVolume" {
		return nil
	}
	absent := strings.Contains(c.text, "not found") && (strings.Contains(c.text, "secret") || strings.Contains(c.text, "configmap"))
	if !absent && c.last.Sub(c.first) < mountGrace {
		return nil
	}
	f := fault.New(fault.Failed, "the mover cannot start: %s", c.text).At("pod " + t.plan.Object.Namespace + "/" + c.name)
	if absent {
		return f.WithHint("create the missing object in namespace " + t.plan.Object.Namespace)
	}
	return f.WithWhy("the volume could not be mounted (the event above is its driver's own text)").
		WithHint("see what holds the volume: kubectl get volumeattachments, kubectl get pods -n " + t.plan.Object.Namespace)
}

// cannotStart ends the wait for a container that will not start.
func (t *Target) cannotStart(pod *corev1.Pod, w *corev1.ContainerStateWaiting) error {
	f := fault.New(fault.Failed, "the mover cannot start: %s: %s", w.Reason, w.Message).At("pod " + pod.Namespace + "/" + pod.Name)
	switch w.Reason {
	case "InvalidImageName", "ErrImageNeverPull":
		return f.WithHint("correct --mover-image")
	case "CreateContainerConfigError", "RunContainerError":
		return f.WithHint("kubectl volsync-kopia doctor checks what the mover needs")
	case "ErrImagePull", "ImagePullBackOff":
		if t.now().Sub(t.since("image")) >= imageGrace {
			return f.WithHint("check --mover-image, and the pull secrets of the mover's ServiceAccount")
		}
	case "CreateContainerError":
		if t.now().Sub(t.since("container")) >= createGrace {
			return f
		}
	}
	return nil
}

// since returns when a condition was first seen in this run; it is called only
// while the condition holds.
func (t *Target) since(what string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.firstSeen == nil {
		t.firstSeen = map[string]time.Time{}
	}
	if _, known := t.firstSeen[what]; !known {
		t.firstSeen[what] = t.now()
	}
	return t.firstSeen[what]
}

// once reports whether this is the first call for the condition.
func (t *Target) once(what string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	what += ", said"
	_, known := t.firstSeen[what]
	t.firstSeen[what] = t.now()
	return !known
}

// past says that a condition holds no longer.
func (t *Target) past(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.firstSeen, what)
}
