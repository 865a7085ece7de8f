package suite

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// upstream is the status as VolSync's controller writes it, and who reads it
// expects it.
type upstream struct {
	LastSyncTime      *metav1.Time
	LastSyncStartTime *metav1.Time
	LastSyncDuration  *metav1.Duration
	NextSyncTime      *metav1.Time
	LastManualSync    string
	LatestMoverStatus struct{ Result, Logs string }
	Conditions        []metav1.Condition
}

// status is the live source's.
func (n *space) status(name string) upstream {
	n.t.Helper()
	text, err := n.source(name).MarshalJSON()
	n.must(err)
	var s struct{ Status upstream }
	n.must(json.Unmarshal(text, &s))
	return s.Status
}

// fields are the names of the live status's fields.
func (n *space) fields(name string) []string {
	n.t.Helper()
	fields, _, err := unstructured.NestedMap(n.source(name).Object, "status")
	n.must(err)
	return slices.Sorted(maps.Keys(fields))
}

// specIsUntouched fails the test when anything but the status has changed, or the
// status was not written as a status.
func (n *space) specIsUntouched(before, now *unstructured.Unstructured) {
	n.t.Helper()
	if before.GetGeneration() != now.GetGeneration() {
		n.t.Errorf("the generation went from %d to %d: the spec was written", before.GetGeneration(), now.GetGeneration())
	}
	was, is := content(before), content(now)
	delete(was, "status")
	delete(is, "status")
	if diff := cmp.Diff(was, is); diff != "" {
		n.t.Errorf("more than the status was written (-before +now):\n%s", diff)
	}
	for _, m := range now.GetManagedFields() {
		if m.Manager == "kubectl-volsync-kopia" && m.Subresource != "status" {
			n.t.Errorf("%s owns fields beside the status: %s", m.Manager, m.FieldsV1)
		}
	}
}

// TestTheStatusHasUpstreamsFields runs a source with each kind of trigger, once
// with success and once with a failure.
func TestTheStatusHasUpstreamsFields(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		trigger, reason, manual string
		fields                  []string
	}{
		"a schedule": {
			`{schedule: "0 3 * * *"}`, "WaitingForSchedule", "",
			[]string{"conditions", "lastSyncDuration", "lastSyncTime", "latestMoverStatus", "nextSyncTime"},
		},
		"a manual tag": {
			`{manual: first}`, "WaitingForManual", "first",
			[]string{"conditions", "lastManualSync", "lastSyncDuration", "lastSyncTime", "latestMoverStatus"},
		},
		"no trigger": {
			"", "WaitingForManual", "",
			[]string{"conditions", "lastSyncDuration", "lastSyncTime", "latestMoverStatus"},
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newSource(t, shape{CopyMethod: "Direct", Trigger: row.trigger})
			began := time.Now().Truncate(time.Second)
			r := n.backup(0, "--keep-job=0")
			s := n.status("app")
			if diff := cmp.Diff(row.fields, n.fields("app")); diff != "" {
				t.Fatalf("the status' fields (-want +got):\n%s", diff)
			}
			if s.LastSyncTime.Time.Before(began) || s.LastSyncTime.After(time.Now()) || s.LastSyncDuration.Duration <= 0 || s.LastManualSync != row.manual {
				t.Errorf("%+v", s)
			}
			if s.NextSyncTime != nil && (s.NextSyncTime.UTC().Hour() != 3 || !s.NextSyncTime.After(time.Now())) {
				t.Errorf("the next run is at %s", s.NextSyncTime)
			}
			if s.LatestMoverStatus.Result != "Successful" {
				t.Errorf("mover %+v", s.LatestMoverStatus)
			}
			n.synchronizing(s, row.reason)
			n.failsLater(r, s)
		})
	}
}

// synchronizing fails the test unless the one condition says what is waited for.
func (n *space) synchronizing(s upstream, reason string) {
	n.t.Helper()
	if len(s.Conditions) != 1 {
		n.t.Fatalf("conditions %+v", s.Conditions)
	}
	c := s.Conditions[0]
	if c.Type != "Synchronizing" || c.Status != metav1.ConditionFalse || c.Reason != reason || c.Message == "" || c.LastTransitionTime.IsZero() {
		n.t.Errorf("condition %+v, want Synchronizing=False for %s", c, reason)
	}
}

// failsLater runs the source once more with a wrong password: what was last
// synchronized stays, and the failure shows.
func (n *space) failsLater(first result.Result, before upstream) {
	n.t.Helper()
	n.secretIs("KOPIA_PASSWORD", "another")
	r := n.backup(7, "--keep-job=0", "--force")
	s := n.status("app")
	if !s.LastSyncTime.Equal(before.LastSyncTime) || s.LastManualSync != before.LastManualSync || s.LastSyncDuration.Duration != before.LastSyncDuration.Duration {
		n.t.Errorf("a failed run moved the last synchronization from %+v to %+v", before, s)
	}
	if s.LatestMoverStatus.Result != "Failed" || s.LatestMoverStatus.Logs != r.Message {
		n.t.Errorf("mover %+v, want Failed: %s", s.LatestMoverStatus, r.Message)
	}
	n.synchronizing(s, "Error")
	var list struct {
		Items []struct {
			Outcome  result.Outcome
			Snapshot *result.Snapshot
		}
	}
	call(n.t, "status", "app", "-n", n.name, "-o", "json").decode(n.t, 0, &list)
	if len(list.Items) != 1 || list.Items[0].Outcome != result.Failed || list.Items[0].Snapshot == nil || list.Items[0].Snapshot.ID != first.Snapshot.ID {
		n.t.Errorf("status says %+v, want Failed, and %s as the last that was proved", list.Items, first.Snapshot.ID)
	}
	if end := call(n.t, "status", "app", "-n", n.name, "--exit-code"); end.code != 9 {
		n.t.Errorf("status --exit-code ended with %d after a failed run\n%s%s", end.code, end.stdout, end.stderr)
	}
}

// TestAStatusIsNotWrittenForAnotherSpec: the file's source is not the live one.
func TestAStatusIsNotWrittenForAnotherSpec(t *testing.T) {
	t.Parallel()
	n := newSource(t, shape{CopyMethod: "Direct"})
	n.edit("repository: kopia-config\n", "repository: kopia-config\n    compression: zstd\n")
	before := n.atRest().objects()
	end := call(t, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
	end.result(t, 0)
	history, _ := n.kept("app")
	n.differs(before, "made configmaps/"+history)
	if !strings.Contains(end.stderr, "VK517") || !strings.Contains(end.stderr, "status") {
		t.Errorf("nothing warns that the status was not written:\n%s", end.stderr)
	}
}
