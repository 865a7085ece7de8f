package k8s

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
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
)

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

// scheduledState judges whether the mover has a node.
func (t *Target) scheduledState() (state, error) {
	if err := t.cannotCreate(); err != nil {
		return state{}, err
	}
	pod, gone, err := t.pod()
	switch {
	case err != nil:
		return state{}, err
	case pod == nil:
		return state{why: "the Job controller has not made its pod"}, nil
	case gone, pod.Spec.NodeName != "":
		return state{done: true}, nil // what became of it is the next wait's business
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return state{why: c.Reason + ": " + c.Message}, nil
		}
	}
	return state{why: "the scheduler has not placed it"}, nil
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

// cannotMount ends the wait for a pod whose volumes cannot be mounted.
func (t *Target) cannotMount(c complaint) error {
	if c.reason != "FailedMount" && c.reason != "FailedAttachVolume" {
		return nil
	}
	absent := strings.Contains(c.text, "not found") && (strings.Contains(c.text, "secret") || strings.Contains(c.text, "configmap"))
	if !absent && (c.count < 2 || t.now().Sub(c.first) < mountGrace) {
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

func started(pod *corev1.Pod) bool {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].State.Running != nil {
			return true
		}
	}
	return false
}

// hasBegun reports whether the pod's container has ever run. The kubelet calls
// the container of a pod that was deleted before its start terminated, too.
func hasBegun(pod *corev1.Pod) bool {
	end := terminated(pod)
	return started(pod) || end != nil && !end.StartedAt.IsZero()
}

// neverBegan reports whether a pod was deleted before its container ran, as far as
// its kubelet says: it counts a container that it has lost sight of among those
// that ended, and says in words whether that had been running.
func neverBegan(pod *corev1.Pod) bool {
	if pod == nil || pod.DeletionTimestamp == nil || hasBegun(pod) {
		return false
	}
	end := terminated(pod)
	return pod.Spec.NodeName == "" || end != nil && !strings.Contains(end.Message, "used to be Running")
}

// hasEnded reports whether the kubelet is done with the pod.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func waiting(pod *corev1.Pod) *corev1.ContainerStateWaiting {
	for i := range pod.Status.ContainerStatuses {
		if w := pod.Status.ContainerStatuses[i].State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" {
			return w
		}
	}
	return nil
}

// terminated returns how the pod's container ended, if it has.
func terminated(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	for i := range pod.Status.ContainerStatuses {
		if end := pod.Status.ContainerStatuses[i].State.Terminated; end != nil {
			return end
		}
	}
	return nil
}

// stoppedBy says who or what ended the pod from outside, or "".
func stoppedBy(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return fmt.Sprintf("%s (%s)", c.Reason, c.Message)
		}
	}
	switch {
	case pod.Status.Reason != "":
		return strings.TrimSuffix(pod.Status.Reason+" ("+pod.Status.Message+")", " ()")
	case pod.DeletionTimestamp != nil:
		return "the pod was deleted"
	}
	return ""
}

// ending is how the mover ended, for the Result of a run that has none.
func ending(pod *corev1.Pod, gone bool) (how, hint string) {
	if pod == nil {
		return "the mover's pod was never seen", ""
	}
	how = "the mover's pod " + pod.Name + " has ended"
	end := terminated(pod)
	switch {
	case end != nil && end.Reason == "OOMKilled":
		limit := "its node's memory"
		if q, ok := pod.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]; ok {
			limit = "the limit of " + q.String()
		}
		return "the mover used more than " + limit + " and was killed (OOMKilled, exit code 137)",
			"raise spec.kopia.moverResources.limits.memory"
	case end != nil && end.Signal != 0:
		how = fmt.Sprintf("the mover was killed by signal %d", end.Signal)
	case end != nil:
		how = fmt.Sprintf("the mover ended with exit code %d (%s)", end.ExitCode, end.Reason)
	case gone:
		how = "the mover's pod " + pod.Name + " was deleted while it ran"
	}
	if who := stoppedBy(pod); who != "" {
		how += "; " + who
	}
	return how, ""
}
