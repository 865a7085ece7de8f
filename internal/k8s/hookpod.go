package k8s

import (
	"cmp"
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// annotationDefaultContainer on a pod names the container that kubectl means
// when none is named.
const annotationDefaultContainer = "kubectl.kubernetes.io/default-container"

// absentError says that there is no pod to run in and none will come: the
// application is not running.
type absentError struct{ error }

// Unwrap returns the wrapped error.
func (e absentError) Unwrap() error { return e.error }

// hookPlace finds where hooks run. in is as a person typed it; known is the pod
// that the first hook of the run was run in, or empty: as long as it lives the
// next one belongs there, ready or not, since the application may well not be
// ready while it is at rest.
//
// The error is an absentError when there is no such object, or it has ended. That the
// known pod could not be read is an error, too: it may well be there, at rest.
func (c *Cluster) hookPlace(ctx context.Context, namespace, in, known string) (place, error) {
	target, err := spec.Hooks{In: in}.Target()
	if err != nil {
		return place{}, fault.New(fault.Usage, "%w", err)
	}
	if known != "" {
		pod, err := c.livingPod(ctx, namespace, known)
		var absent absentError
		switch {
		case err == nil:
			return placeIn(pod, target.Container)
		case !errors.As(err, &absent):
			return place{}, err
		}
	}
	if target.Kind == spec.KindPod {
		pod, err := c.livingPod(ctx, namespace, target.Name)
		if err != nil {
			return place{}, err
		}
		return placeIn(pod, target.Container)
	}
	pod, err := c.readyPod(ctx, namespace, target.Name)
	if err != nil {
		return place{}, err
	}
	return placeIn(pod, target.Container)
}

// livingPod reads a pod that has not ended.
func (c *Cluster) livingPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	at := "pod " + namespace + "/" + name
	pod, err := c.typed.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, absentError{fault.New(fault.Refused, "there is no such pod to run the hooks in").At(at)}
	case err != nil:
		return nil, cannot(err, "look for the pod to run the hooks in").At(at)
	case pod.DeletionTimestamp != nil, pod.Status.Phase == corev1.PodSucceeded, pod.Status.Phase == corev1.PodFailed:
		return nil, absentError{fault.New(fault.Refused, "the pod to run the hooks in has ended").At(at)}
	}
	return pod, nil
}

// readyPod returns the newest ready pod of a Deployment: in the middle of a
// rollout the others are about to go.
func (c *Cluster) readyPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	at := "Deployment " + namespace + "/" + name
	d, err := c.typed.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, absentError{fault.New(fault.Refused, "there is no such Deployment to run the hooks in").At(at)}
	case err != nil:
		return nil, cannot(err, "look for the Deployment to run the hooks in").At(at)
	case d.Spec.Replicas != nil && *d.Spec.Replicas == 0:
		return nil, absentError{fault.New(fault.Refused, "it is scaled to 0: there is no pod to run the hooks in").At(at)}
	}
	pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return nil, cannot(err, "look for a pod to run the hooks in").At(at)
	}
	ready := slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil || !isReady(&p) })
	if len(ready) == 0 {
		return nil, fault.New(fault.Refused, "it has no ready pod to run the hooks in").At(at)
	}
	newest := slices.MaxFunc(ready, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(b.Name, a.Name))
	})
	return &newest, nil
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// placeIn chooses the container as kubectl does: the one that is named, that of
// the pod's annotation, or the first.
func placeIn(pod *corev1.Pod, container string) (place, error) {
	all := make([]string, 0, len(pod.Spec.Containers))
	for i := range pod.Spec.Containers {
		all = append(all, pod.Spec.Containers[i].Name)
	}
	at := place{namespace: pod.Namespace, pod: pod.Name, container: container}
	if container == "" {
		at.container = all[0]
		if name := pod.Annotations[annotationDefaultContainer]; slices.Contains(all, name) {
			at.container = name
		}
	}
	if !slices.Contains(all, at.container) {
		return place{}, fault.New(fault.Refused, "it has no container %q, only %q", container, all).At("pod " + pod.Namespace + "/" + pod.Name)
	}
	return at, nil
}
