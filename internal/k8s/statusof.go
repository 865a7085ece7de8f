package k8s

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// statusFields is the status of an object of some kind, as runs write it.
type statusFields interface {
	// Passing are the fields that are to go when they are not set.
	Passing() []string
}

// maintains reports whether the runs of the kind maintain a repository.
func maintains(kind string) bool { return plan.RunsOf(kind) == plan.NameMaintenance }

// statusAfter is the status of the live object after a run.
func statusAfter(kind string, live *unstructured.Unstructured, ended status.Run) (statusFields, error) {
	if maintains(kind) {
		before, err := statusIn[status.Maintenance](live)
		return status.AfterMaintenance(before, ended), err
	}
	before, err := statusIn[status.Status](live)
	return status.After(before, ended), err
}

func statusIn[T any](live *unstructured.Unstructured) (T, error) {
	var o struct {
		Status T `json:"status"`
	}
	err := convert(live, &o)
	return o.Status, err
}

// statusPatch is a merge patch that brings the status up to date. A merge keeps what
// it leaves out, so the times that may no longer hold are taken away by name; what
// is known of the last good run stays when there is nothing newer. With a
// version it holds for that one only.
func statusPatch(after statusFields, version string) ([]byte, error) {
	data, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	for _, optional := range after.Passing() {
		if _, set := fields[optional]; !set {
			fields[optional] = nil
		}
	}
	patch := map[string]any{"status": fields}
	if version != "" {
		patch["metadata"] = map[string]any{"resourceVersion": version}
	}
	return json.Marshal(patch)
}
