package suite

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestDirectBesideARunningPod backs a ReadWriteOnce volume up while its
// application goes on writing. Its mover is bound to the application's node, where
// alone such a volume can be mounted: with one node that shows in the Job only.
func TestDirectBesideARunningPod(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Direct", Class: "vk-wait", Privileged: true})
	n.pod("application", "data", "while :; do date +%s%N >> /data/journal; sleep 0.2; done")
	n.untilRunning("application")
	before := n.atRest().objects()
	r := n.backup(0, "--keep-job=1h")
	if r.Outcome != result.Succeeded {
		t.Fatalf("%+v", r)
	}
	application := n.leftRunning("application", before["pods/application"].GetUID())
	boundTo(t, n.job(r).Spec.Template.Spec, application.Spec.NodeName)
	if written := n.journal(r.StartTime, r.EndTime); written == 0 {
		t.Errorf("the application wrote nothing while the mover ran, from %s to %s", r.StartTime, r.EndTime)
	}
	restored := n.restored(r.Snapshot.ID)
	want, got := kopiatest.Entries(t, n.data), kopiatest.Entries(t, restored)
	if got["journal"].Size == 0 || got["journal"].Size > want["journal"].Size {
		t.Errorf("the journal has %d bytes in the snapshot and %d now", got["journal"].Size, want["journal"].Size)
	}
	delete(want, "journal")
	delete(got, "journal")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the snapshot is not what the volume holds (-volume +snapshot):\n%s", diff)
	}
}

// boundTo fails the test unless the scheduler is told to place the pod on the node,
// and is not passed over.
func boundTo(t testing.TB, pod corev1.PodSpec, node string) {
	t.Helper()
	want := &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
	}}}
	if node == "" || pod.Affinity == nil || pod.Affinity.NodeAffinity == nil {
		t.Fatalf("the mover's affinity is %+v, the application's node %q", pod.Affinity, node)
	}
	if diff := cmp.Diff(want, pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution); diff != "" {
		t.Errorf("the mover's node affinity (-want +got):\n%s", diff)
	}
	if pod.NodeName != "" {
		t.Errorf("the mover's template has nodeName %q, which goes round the scheduler", pod.NodeName)
	}
}

// journal is how often the application has written between two times.
func (n *space) journal(from, to time.Time) int {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.data, "journal"))
	n.must(err)
	written := 0
	lines := strings.Split(string(text), "\n")
	for _, line := range lines[:len(lines)-1] { // what follows the last line break is not whole
		stamp, err := strconv.ParseInt(line, 10, 64)
		n.must(err)
		if at := time.Unix(0, stamp); at.After(from) && at.Before(to) {
			written++
		}
	}
	return written
}

// TestACopyIsTheWholeVolume: the copy that the mover reads has what the volume has,
// also what kopia does not keep. The mover waits meanwhile, in its action.
func TestACopyIsTheWholeVolume(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Snapshot", "Clone"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := gated(shape{Privileged: true})
			s.CopyMethod = method
			n := newSpace(t, s)
			p := start(t, n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0")
			id := n.untilRuns("Running")[0].ID
			n.untilWaiting(id)
			copied := n.directoryOf(n.job(result.Result{RunID: id}).Name)
			n.hasLinksAndAttributes(copied)
			kopiatest.Compare(t, n.data, copied)
			kopiatest.Write(t, filepath.Join(copied, gate), "")
			r := p.wait().result(t, 0)
			if r.Outcome != result.Succeeded || len(r.Warnings) > 0 {
				t.Fatalf("%+v", r)
			}
			got := kopiatest.Entries(t, n.restored(r.Snapshot.ID))
			delete(got, gate)
			if diff := cmp.Diff(kopiatest.Entries(t, n.data), got); diff != "" {
				t.Errorf("the snapshot is not what the volume holds (-volume +snapshot):\n%s", diff)
			}
		})
	}
}

// untilRunning waits until a pod runs.
func (n *space) untilRunning(pod string) {
	n.t.Helper()
	n.until("pod "+pod+" runs", func(ctx context.Context) bool {
		p, err := shared.typed.CoreV1().Pods(n.name).Get(ctx, pod, metav1.GetOptions{})
		n.must(err)
		return p.Status.Phase == corev1.PodRunning
	})
}

// leftRunning returns the pod, and fails the test unless it is the same and runs
// without a restart.
func (n *space) leftRunning(pod string, uid any) *corev1.Pod {
	n.t.Helper()
	p, err := shared.typed.CoreV1().Pods(n.name).Get(n.t.Context(), pod, metav1.GetOptions{})
	n.must(err)
	if p.GetUID() != uid || p.Status.Phase != corev1.PodRunning || p.Status.ContainerStatuses[0].RestartCount != 0 {
		n.t.Errorf("pod %s was disturbed: %s, %+v", pod, p.Status.Phase, p.Status.ContainerStatuses)
	}
	return p
}

// TestReadOnlyManyFromASnapshot: the copy's claim is ReadOnlyMany and mounted so.
func TestReadOnlyManyFromASnapshot(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Snapshot", Kopia: "    accessModes: [ReadOnlyMany]\n"})
	made := n.record("persistentvolumeclaims")
	before := n.atRest().inventory()
	r := n.backup(0)
	job := n.job(r)
	data := volumeOf(t, job, "data")
	if claim := data.PersistentVolumeClaim; claim == nil || !claim.ReadOnly || claim.ClaimName != job.Name {
		t.Errorf("the mover's data volume is %+v", data)
	}
	made.stop()
	var modes []any
	for _, o := range made.all() {
		if o.GetName() == job.Name {
			modes = append(modes, o.Object["spec"].(map[string]any)["accessModes"], o.Object["spec"].(map[string]any)["dataSource"].(map[string]any)["kind"])
			break
		}
	}
	if diff := cmp.Diff([]any{[]any{"ReadOnlyMany"}, "VolumeSnapshot"}, modes); diff != "" {
		t.Errorf("the copy's claim (-want +got):\n%s", diff)
	}
	n.leftNothing(before, "job/"+job.Name)
	kopiatest.Compare(t, n.data, n.restored(r.Snapshot.ID))
}

// job is the Job of a run.
func (n *space) job(r result.Result) batchv1.Job {
	n.t.Helper()
	list, err := shared.typed.BatchV1().Jobs(n.name).List(n.t.Context(), metav1.ListOptions{LabelSelector: "volsync-kopia/run=" + r.RunID})
	n.must(err)
	if len(list.Items) != 1 {
		n.t.Fatalf("%d Jobs of run %s, want 1", len(list.Items), r.RunID)
	}
	return list.Items[0]
}

// volumeOf is the volume of the mover that has the name.
func volumeOf(t testing.TB, job batchv1.Job, name string) corev1.Volume {
	t.Helper()
	volumes := job.Spec.Template.Spec.Volumes
	i := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("the mover has no volume %q: %+v", name, volumes)
	}
	return volumes[i]
}

// TestARepositoryOnAMoverVolume: the repository's claim is one of moverVolumes.
func TestARepositoryOnAMoverVolume(t *testing.T) {
	t.Parallel()
	n := newSpace(t, shape{CopyMethod: "Snapshot"})
	n.edit("    repositoryPVC: repo\n", "    moverVolumes:\n    - mountPath: store\n      volumeSource: {persistentVolumeClaim: {claimName: repo}}\n")
	n.secretIs("KOPIA_REPOSITORY", "filesystem:///mnt/store")
	n.repository = filepath.Dir(n.repository)
	before := n.atRest().inventory()
	r := n.backup(0, "--keep-job=0")
	if r.Outcome != result.Succeeded || r.Repository == nil || r.Repository.Type != "filesystem" || !r.Repository.Created {
		t.Fatalf("%+v", r)
	}
	n.leftNothing(before)
	n.listedAndRestored(r)
}

// directoryOf is where the driver keeps the volume of a claim.
func (n *space) directoryOf(claim string) string {
	n.t.Helper()
	c, err := shared.typed.CoreV1().PersistentVolumeClaims(n.name).Get(n.t.Context(), claim, metav1.GetOptions{})
	n.must(err)
	return n.directory(c.Spec.VolumeName)
}
