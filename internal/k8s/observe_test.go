package k8s

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

func TestRulesAllowWhatTheySay(t *testing.T) {
	t.Parallel()
	rule := func(group, resource, verb string, names ...string) authorizationv1.ResourceRule {
		return authorizationv1.ResourceRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{verb}, ResourceNames: names}
	}
	logs := plan.Right{Verb: "get", Resource: "pods/log"}
	cases := map[string]struct {
		rule  authorizationv1.ResourceRule
		right plan.Right
		want  bool
	}{
		"itself":                     {rule("", "pods/log", "get"), logs, true},
		"every resource":             {rule("*", "*", "*"), logs, true},
		"every resource's log":       {rule("", "*/log", "get"), logs, true},
		"pods, but not their log":    {rule("", "pods", "get"), logs, false},
		"another verb":               {rule("", "pods/log", "list"), logs, false},
		"another group":              {rule("batch", "pods/log", "get"), logs, false},
		"for one name only":          {rule("", "pods/log", "get", "web-0"), logs, false},
		"a log rule for a pod right": {rule("", "*/log", "get"), plan.Right{Verb: "get", Resource: "pods"}, false},
	}
	for name, c := range cases {
		got, some := rulesAllow([]authorizationv1.ResourceRule{rule("x", "y", "z"), c.rule}, c.right)
		if got != c.want || some != (c.want || len(c.rule.ResourceNames) > 0) {
			t.Errorf("%s: %v, for some names %v", name, got, some)
		}
	}
}

func TestHowAPodUsesAClaim(t *testing.T) {
	t.Parallel()
	pod := func(volume corev1.VolumeSource, readOnly ...bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0"}}
		p.Spec.NodeName = "node-2"
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: volume}}
		for _, ro := range readOnly {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{VolumeMounts: []corev1.VolumeMount{{Name: "v", ReadOnly: ro}}})
		}
		return p
	}
	claim := func(readOnly bool) corev1.VolumeSource {
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data", ReadOnly: readOnly}}
	}
	cases := map[string]struct {
		pod            *corev1.Pod
		claim          string
		uses, readOnly bool
	}{
		"writes":                         {pod(claim(false), false), "data", true, false},
		"one container of two writes":    {pod(claim(false), true, false), "data", true, false},
		"mounts it read-only":            {pod(claim(false), true, true), "data", true, true},
		"has it read-only":               {pod(claim(true), false), "data", true, true},
		"mounts it nowhere":              {pod(claim(false)), "data", true, false},
		"uses another":                   {pod(claim(false), false), "other", false, false},
		"has one of its own (ephemeral)": {pod(corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}, false), "web-0-v", true, false},
	}
	for name, c := range cases {
		got, uses := consumer(c.pod, c.claim)
		if uses != c.uses || uses && (got.ReadOnly != c.readOnly || got.Node != "node-2") {
			t.Errorf("%s: %v, %+v", name, uses, got)
		}
	}
}

// TestWhatIsUnknownHasOneOrder, whichever of the readers was told first.
func TestWhatIsUnknownHasOneOrder(t *testing.T) {
	t.Parallel()
	facts := []plan.FactName{plan.FactVolumes, plan.FactNamespace, plan.FactSnapshotClasses}
	var lists [][]plan.Unknown
	for range 2 {
		u := &unknowns{}
		for _, fact := range facts {
			u.add(fact, errors.New("forbidden"))
		}
		lists = append(lists, u.sorted())
		slices.Reverse(facts)
	}
	if diff := cmp.Diff(lists[0], lists[1]); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

// TestAStatusPatchClearsWhatNoLongerHolds: a merge patch keeps what it leaves out.
func TestAStatusPatchClearsWhatNoLongerHolds(t *testing.T) {
	t.Parallel()
	data, err := statusPatch(status.Status{LastManualSync: "tag"}, "")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"lastManualSync": "tag", "lastSyncStartTime": nil, "nextSyncTime": nil}
	if diff := cmp.Diff(want, got["status"]); diff != "" {
		t.Error(diff)
	}
}

func TestARunIsInTheHistoryOnce(t *testing.T) {
	t.Parallel()
	run := status.Run{Result: result.Result{RunID: "r1", Outcome: result.Failed}}
	m := apply(t, &corev1.ConfigMap{}, run)
	h, err := decodeHistory(m)
	if err != nil || len(h.Results) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	if known, err := entryOf(m, "r1"); known == nil || err != nil {
		t.Errorf("it is added again: %v, %v", known, err)
	}
}

// apply is a history with the run added.
func apply(t *testing.T, m *corev1.ConfigMap, ended status.Run) *corev1.ConfigMap {
	t.Helper()
	change, err := encodeHistory(m, ended)
	if err != nil {
		t.Fatal(err)
	}
	m = m.DeepCopy()
	if m.Data == nil {
		m.Data = map[string]string{}
	}
	for key, value := range change {
		if value == nil {
			delete(m.Data, key)
		} else {
			m.Data[key] = *value
		}
	}
	return m
}
