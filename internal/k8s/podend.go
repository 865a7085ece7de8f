package k8s

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// moverStatus is the status of the pod's mover; nil: there is none yet. Admission
// may have put containers of others beside it.
func moverStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	i := slices.IndexFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == moverContainer })
	if i < 0 {
		return nil
	}
	return &pod.Status.ContainerStatuses[i]
}

func started(pod *corev1.Pod) bool {
	s := moverStatus(pod)
	return s != nil && s.State.Running != nil
}

// hasBegun reports whether the pod's container has ever run. The kubelet calls
// the container of a pod that was deleted before its start terminated, too.
func hasBegun(pod *corev1.Pod) bool {
	end := terminated(pod)
	return started(pod) || end != nil && !end.StartedAt.IsZero()
}

// neverBegan reports whether a pod was deleted before its container ran, as far as
// its kubelet says.
func neverBegan(pod *corev1.Pod) bool {
	if pod == nil || pod.DeletionTimestamp == nil || mayHaveBegun(pod) {
		return false
	}
	return pod.Spec.NodeName == "" || terminated(pod) != nil
}

// stoppedTooSoon reports whether a mover was told to stop before it could listen: the
// signal's default action ended it (ADR 6). A process 1 has none; as such, in a pod of
// an earlier release, a Go program ends with 2.
func stoppedTooSoon(pod *corev1.Pod) bool {
	if pod == nil || pod.DeletionTimestamp == nil && pod.Status.Reason != reasonDeadline {
		return false
	}
	end := terminated(pod)
	return end != nil && (end.ExitCode == endedByTerm || end.ExitCode == 2) && end.FinishedAt.Sub(end.StartedAt.Time) <= listensAfter
}

// endedByTerm is the exit code of a container that SIGTERM has ended.
const endedByTerm = 128 + int32(syscall.SIGTERM)

// listensAfter is how long a mover may take to listen to signals, by a clock that
// counts whole seconds.
const listensAfter = 2 * time.Second

// mayHaveBegun reports whether the pod's container has run, or may have. A kubelet
// counts a container that it has lost sight of among those that ended, and says in
// words whether that had been running.
func mayHaveBegun(pod *corev1.Pod) bool {
	end := terminated(pod)
	return hasBegun(pod) || end != nil && strings.Contains(end.Message, "used to be Running")
}

// hasEnded reports whether the kubelet is done with the pod.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func waiting(pod *corev1.Pod) *corev1.ContainerStateWaiting {
	if s := moverStatus(pod); s != nil {
		if w := s.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" {
			return w
		}
	}
	return nil
}

// terminated returns how the mover has ended, if it has.
func terminated(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	if s := moverStatus(pod); s != nil {
		return s.State.Terminated
	}
	return nil
}

// memoryLimit is the mover's, in words.
func memoryLimit(pod *corev1.Pod) string {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == moverContainer {
			if q, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
				return "the limit of " + q.String()
			}
		}
	}
	return "its node's memory"
}

// stoppedBy says what ended the pod from outside, as far as it says so itself, or "".
func stoppedBy(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return fmt.Sprintf("%s (%s)", c.Reason, c.Message)
		}
	}
	if pod.Status.Reason != "" {
		return strings.TrimSuffix(pod.Status.Reason+" ("+pod.Status.Message+")", " ()")
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
		return "the mover used more than " + memoryLimit(pod) + " and was killed (OOMKilled, exit code 137)",
			"raise spec.kopia.moverResources.limits.memory"
	case end != nil && end.Signal != 0:
		how = fmt.Sprintf("the mover was killed by signal %d", end.Signal)
	case end != nil:
		how = fmt.Sprintf("the mover ended with exit code %d (%s)", end.ExitCode, end.Reason)
	case gone:
		how = "the mover's pod " + pod.Name + " was deleted while it ran"
	case !hasEnded(pod):
		how = "node " + pod.Spec.NodeName + " has not said how the mover's pod " + pod.Name + " has ended"
	}
	switch who := stoppedBy(pod); {
	case who != "":
		how += "; " + who
	case pod.DeletionTimestamp != nil && !gone:
		how += "; the pod was deleted"
	}
	return how, ""
}
