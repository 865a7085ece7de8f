package k8s

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

var testUpkeep = result.ObjectRef{Kind: "KopiaMaintenance", Namespace: testNamespace, Name: "upkeep", UID: "upkeep"}

// makeMaintenance puts the test's KopiaMaintenance, with a condition of its operator's,
// into the cluster.
func (w *world) makeMaintenance(spec map[string]any) {
	w.t.Helper()
	m := objectOfKind(plan.GroupVolSync+"/v1alpha1", testUpkeep.Kind, testNamespace, testUpkeep.Name, nil)
	m.SetUID("upkeep")
	m.SetCreationTimestamp(metav1.NewTime(time.Now().Add(-48 * time.Hour)))
	m.Object["spec"] = spec
	m.Object["status"] = map[string]any{"activeCronJob": "theirs", "nextScheduledMaintenance": "2026-01-31T18:00:00Z", "conditions": []any{map[string]any{
		"type": "Ready", "status": "True", "reason": "Theirs", "message": "", "lastTransitionTime": "2026-01-31T18:00:00Z",
	}}}
	if _, err := w.dynamic.Resource(resources()[testUpkeep.Kind]).Namespace(testNamespace).Create(w.t.Context(), m, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// The status of a KopiaMaintenance has VolSync's fields for one, and what its operator
// says of itself stays.
func TestTheStatusOfAMaintenance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeMaintenance(map[string]any{})
	read := func() (status.Maintenance, map[string]any) {
		live, err := w.dynamic.Resource(resources()[testUpkeep.Kind]).Namespace(testNamespace).Get(t.Context(), testUpkeep.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		now, err := statusIn[status.Maintenance](live)
		if err != nil {
			t.Fatal(err)
		}
		return now, live.Object["status"].(map[string]any)
	}
	wr := &writer{cluster: w.cluster, object: testUpkeep, live: true}
	began := time.Now().Add(-time.Minute)
	if err := wr.patchBeginning(t.Context(), began); err != nil {
		t.Fatal(err)
	}
	if now, _ := read(); len(now.Conditions) != 2 || now.Conditions[1].Type != status.ConditionProgressing || now.Conditions[1].Status != metav1.ConditionTrue {
		t.Errorf("while it runs: %+v", now)
	}
	r := result.Result{
		Operation: result.OperationMaintenance, RunID: testRun, Object: testUpkeep, Outcome: result.Succeeded, Message: "8 cycles",
		StartTime: began, EndTime: time.Now(), Maintenance: &result.MaintenanceReport{Owner: "maintenance@volsync"},
	}
	if remembered, err := wr.write(t.Context(), historyOf(testUpkeep), status.Run{Result: r, ManualTag: "tag"}); err != nil || !remembered {
		t.Fatalf("%v, %v", remembered, err)
	}
	now, fields := read()
	if now.LastMaintenanceTime == nil || now.LastManualSync != "tag" || now.MaintenanceFailures != 0 || len(now.Conditions) != 3 || now.Conditions[0].Reason != "Theirs" {
		t.Errorf("%+v", now)
	}
	for _, foreign := range []string{"lastSyncTime", "latestMoverStatus", "lastSyncDuration"} {
		if _, has := fields[foreign]; has {
			t.Errorf("a field of a source's status is written: %s", foreign)
		}
	}
	if fields["activeCronJob"] != "theirs" {
		t.Errorf("the operator's field is gone: %v", fields)
	}
	events, err := w.typed.CoreV1().Events(testNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(events.Items) != 1 || events.Items[0].Reason != "MaintenanceSucceeded" || events.Items[0].InvolvedObject.Kind != testUpkeep.Kind {
		t.Errorf("%v, %v", events, err)
	}
}

// A maintenance stands among the sources, by its object and by its history.
func TestStandingsOfMaintenances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeMaintenance(map[string]any{"suspend": true})
	other := result.ObjectRef{Kind: testUpkeep.Kind, Namespace: testNamespace, Name: "from-a-file"}
	ended := time.Now()
	r := result.Result{RunID: testRun, Object: other, Operation: result.OperationMaintenance, Outcome: result.Succeeded, EndTime: ended}
	if _, err := (writer{cluster: w.cluster, object: other}).write(t.Context(), historyOf(other), status.Run{Result: r}); err != nil {
		t.Fatal(err)
	}
	found, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, t.Logf)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	if s := found[0]; s.Object != other || s.InCluster || s.Status.LastSyncTime == nil || len(s.Results) != 1 {
		t.Errorf("%+v", s)
	}
	if s := found[1]; s.Status.NextSyncTime == nil || s.Object != testUpkeep || !s.InCluster || !s.Paused || s.Schedule != "0 2 * * *" || s.Created.IsZero() {
		t.Errorf("%+v", s)
	}
}

// Whoever may see the backups only, sees them, and is told what is not shown.
func TestStandingsWithoutTheRightToMaintenances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeSource()
	asked := false
	w.dynamic.PrependReactor("list", "kopiamaintenances", func(clienttesting.Action) (bool, runtime.Object, error) {
		asked = true
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "kopiamaintenances"}, "", errors.New("no"))
	})
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	if _, err := w.cluster.Standings(t.Context(), testNamespace, time.Now, say); err != nil || !asked {
		t.Errorf("%v, asked: %v", err, asked)
	}
	if len(said) != 1 || !strings.Contains(said[0], "kopiamaintenances is forbidden") {
		t.Errorf("said %q", said)
	}
}

// The Lease of a maintenance is the one that its runs take.
func TestTheLeaseOfAMaintenance(t *testing.T) {
	t.Parallel()
	want := testNamespace + "/" + plan.Name(plan.NameMaintenance, testUpkeep, "")
	if got := (Run{Object: testUpkeep}).leaseKey(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
