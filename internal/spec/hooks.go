package spec

import (
	"fmt"
	"strings"
	"time"
)

// Annotations of a ReplicationSource by which its application is told of a copy.
// A run's Job carries the same, as they were when the run began.
const (
	// AnnotationExecIn is where: pod/X or deploy/X, with :container if need be.
	AnnotationExecIn = "volsync-kopia/exec-in"
	// AnnotationExecBefore and AnnotationExecAfter are shell commands.
	AnnotationExecBefore = "volsync-kopia/exec-before"
	AnnotationExecAfter  = "volsync-kopia/exec-after"
	// AnnotationExecTimeout bounds each of them, as 5m.
	AnnotationExecTimeout = "volsync-kopia/exec-timeout"
)

// DefaultHookTimeout bounds a hook that says no other limit.
const DefaultHookTimeout = 5 * time.Minute

// Hooks are shell commands that run in the application before its volume is
// copied and after it, as a person has written them.
type Hooks struct {
	In     string `json:"in,omitempty"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Timeout is a duration as 5m; empty: DefaultHookTimeout.
	Timeout string `json:"timeout,omitempty"`
}

// HooksOf returns the hooks that annotations name.
func HooksOf(annotations map[string]string) Hooks {
	return Hooks{
		In: annotations[AnnotationExecIn], Before: annotations[AnnotationExecBefore],
		After: annotations[AnnotationExecAfter], Timeout: annotations[AnnotationExecTimeout],
	}
}

// Used reports whether there is anything to run.
func (h Hooks) Used() bool { return h.Before != "" || h.After != "" }

// Limit bounds each hook.
func (h Hooks) Limit() (time.Duration, error) {
	if h.Timeout == "" {
		return DefaultHookTimeout, nil
	}
	limit, err := time.ParseDuration(h.Timeout)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration, as 5m or 90s", h.Timeout)
	case limit <= 0:
		return 0, fmt.Errorf("%q leaves no time", h.Timeout)
	}
	return limit, nil
}

// The kinds of objects that hooks may run in.
const (
	KindPod        = "Pod"
	KindDeployment = "Deployment"
)

// HookTarget is where hooks run.
type HookTarget struct {
	Kind string // KindPod or KindDeployment
	Name string
	// Container is empty for the pod's own default.
	Container string
}

// Target reads where the hooks run.
func (h Hooks) Target() (HookTarget, error) {
	object, container, named := strings.Cut(h.In, ":")
	kind, name, ok := strings.Cut(object, "/")
	t := HookTarget{Name: name, Container: container}
	switch kind {
	case "pod", "pods", "po":
		t.Kind = KindPod
	case "deploy", "deployment", "deployments":
		t.Kind = KindDeployment
	default:
		ok = false
	}
	if !ok || !isHookName(name) || named && !isHookName(container) {
		return HookTarget{}, fmt.Errorf("%q is not pod/NAME or deploy/NAME, with :CONTAINER if need be", h.In)
	}
	return t, nil
}

// isHookName reports whether the name consists of characters that names of objects
// and containers may have.
func isHookName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}
