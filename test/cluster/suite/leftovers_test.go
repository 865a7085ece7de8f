package suite

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// keptCache asks for a cache claim.
const keptCache = "    cacheAccessModes: [ReadWriteOnce]\n"

// TestARunLeavesOnlyStatusHistoryEventAndCache looks at all objects of all kinds
// before and after, when the command has removed its Job and when the Job's time
// to live has.
func TestARunLeavesOnlyStatusHistoryEventAndCache(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Clone", "Direct"} {
		for _, keep := range []string{"0", "2s"} {
			t.Run(method+"/keep-job="+keep, func(t *testing.T) {
				t.Parallel()
				n := newSource(t, shape{CopyMethod: method, Kopia: keptCache})
				before := n.atRest().objects()
				r := n.backup(0, "--keep-job="+keep)
				if keep != "0" {
					n.untilNoPods()
				}
				history, cache := n.kept("app")
				n.differs(before, "changed replicationsources.volsync.backube/app", "made configmaps/"+history,
					"made persistentvolumeclaims/"+cache, "made persistentvolumes/of "+cache)
				n.specIsUntouched(before["replicationsources.volsync.backube/app"], n.source("app"))
				n.oneEvent(r)
				n.listedAndRestored(r)
			})
		}
	}
}

// untilNoPods waits until the Jobs and their pods are gone.
func (n *space) untilNoPods() {
	n.t.Helper()
	n.until("the Job's time to live has removed it", func(ctx context.Context) bool {
		jobs, err := shared.typed.BatchV1().Jobs(n.name).List(ctx, metav1.ListOptions{})
		n.must(err)
		pods, err := shared.typed.CoreV1().Pods(n.name).List(ctx, metav1.ListOptions{})
		n.must(err)
		return len(jobs.Items)+len(pods.Items) == 0
	})
}

// oneEvent fails the test unless the run is told in one event about its source.
func (n *space) oneEvent(r result.Result) {
	n.t.Helper()
	list, err := shared.typed.CoreV1().Events(n.name).List(n.t.Context(), metav1.ListOptions{LabelSelector: "volsync-kopia/run=" + r.RunID})
	n.must(err)
	if len(list.Items) != 1 {
		n.t.Fatalf("%d events of run %s, want 1", len(list.Items), r.RunID)
	}
	e, source := list.Items[0], n.source("app")
	got := []string{e.Type, e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, string(e.InvolvedObject.UID)}
	want := []string{corev1.EventTypeNormal, "Backup" + string(r.Outcome), "ReplicationSource", "app", string(source.GetUID())}
	if diff := cmp.Diff(want, got); diff != "" {
		n.t.Errorf("event %q (-want +got):\n%s", e.Message, diff)
	}
}

// listedAndRestored fails the test unless bare kopia lists the run's snapshot, by
// its tag, and restores it as the volume is.
func (n *space) listedAndRestored(r result.Result) {
	n.t.Helper()
	if r.Outcome != result.Succeeded || r.Snapshot == nil || r.Snapshot.Proved != "blobs" {
		n.t.Fatalf("%+v", r)
	}
	found := 0
	for _, s := range n.client().Snapshots(n.t) {
		if s.Tags[runTag] == r.RunID {
			found++
			if s.ID != r.Snapshot.ID || s.Incomplete != "" || s.Identity() != r.Identity {
				n.t.Errorf("listed %+v, want %s of %s", s, r.Snapshot.ID, r.Identity)
			}
		}
	}
	if found != 1 {
		n.t.Errorf("%d snapshots have the tag of run %s, want 1", found, r.RunID)
	}
	kopiatest.Compare(n.t, n.data, n.restored(r.Snapshot.ID))
}

// TestACopyThatDoesNotGoIsFoundByCleanup, whether its Job is gone or is kept for its
// log: what holds it is named by the run and by cleanup, until it lets go.
func TestACopyThatDoesNotGoIsFoundByCleanup(t *testing.T) {
	t.Parallel()
	for _, keep := range []string{"0", "1h"} {
		t.Run("keep-job="+keep, func(t *testing.T) {
			t.Parallel()
			copyThatDoesNotGo(t, keep)
		})
	}
}

func copyThatDoesNotGo(t *testing.T, keep string) {
	t.Helper()
	const held = "example.com/held"
	n := newSource(t, shape{CopyMethod: "Snapshot"})
	before := n.atRest().inventory()
	snapshots := shared.dynamic.Resource(inventoried()["snapshot"]).Namespace(n.name)
	p := start(t, n.kubeconfig, "backup", "-f", n.file, "--keep-job="+keep, "--removed-timeout=5s")
	var name string
	n.until("the run's snapshot has another finalizer", func(ctx context.Context) bool {
		list, err := snapshots.List(ctx, metav1.ListOptions{})
		n.must(err)
		if len(list.Items) == 0 {
			return false
		}
		name = list.Items[0].GetName()
		_, err = snapshots.Patch(ctx, name, types.JSONPatchType, []byte(`[{"op":"add","path":"/metadata/finalizers/-","value":"`+held+`"}]`), metav1.PatchOptions{})
		return err == nil // it may have none yet
	})
	if end := p.wait(); end.code != 8 || !strings.Contains(end.stderr, name) || !strings.Contains(end.stderr, held) {
		t.Errorf("exit code %d, want 8 and what holds the copy:\n%s", end.code, end.stderr)
	}
	var job []string
	if keep != "0" {
		job = []string{"job/" + name}
	}
	n.leftNothing(before, append(job, "snapshot/"+name)...)
	if end := call(t, "cleanup", "-n", n.name); !strings.Contains(end.stdout, "VolumeSnapshot "+n.name+"/"+name) || !strings.Contains(end.stdout, held) {
		t.Errorf("cleanup lists %s\n%s", end.stdout, end.stderr)
	}
	if end := call(t, "cleanup", "-n", n.name, "--yes", "--removed-timeout=2s"); end.code != 8 || !strings.Contains(end.stderr, held) {
		t.Errorf("cleanup ended with %d:\n%s%s", end.code, end.stdout, end.stderr)
	}
	_, err := snapshots.Patch(t.Context(), name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	n.must(err)
	n.leftNothing(before, job...)
	if end := call(t, "cleanup", "-n", n.name); end.code != 0 || !strings.Contains(end.stdout, "Nothing is left") {
		t.Errorf("cleanup ended with %d:\n%s%s", end.code, end.stdout, end.stderr)
	}
}
