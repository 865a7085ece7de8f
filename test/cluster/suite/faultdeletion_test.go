package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// How often the mover is force-deleted in all, unless deletionVariable says
// otherwise, and in how many namespaces.
const (
	deletionVariable   = "VK_SUITE_FORCE_DELETES"
	deletions          = 50
	deletionNamespaces = 5
)

// deletionFaults force-delete movers at random moments, from the pod's creation
// to its end.
func deletionFaults() []faultRow {
	total := deletions
	if text := os.Getenv(deletionVariable); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			panic(deletionVariable + ": " + err.Error())
		}
	}
	var rows []faultRow
	for i := range deletionNamespaces {
		if times := (total + i) / deletionNamespaces; times > 0 {
			rows = append(rows, faultRow{
				name:  fmt.Sprintf("mover pod force-deleted, %d times (%d of %d)", times, i+1, deletionNamespaces),
				shape: shape{CopyMethod: []string{"Direct", "Snapshot"}[i%2]},
				given: func(f *faulted) { f.backup(0, "--keep-job=0") },
				meet:  func(f *faulted) ended { return f.deletedOften(times) },
				code:  0, says: "0 false successes", unknown: true,
			})
		}
	}
	return rows
}

// deletedOften runs backups whose movers are force-deleted, until so many were
// while they ran, and judges each.
func (f *faulted) deletedOften(times int) ended {
	f.t.Helper()
	span := f.moverTakes()
	longest := span
	codes, phases, deleted := map[string]int{}, map[corev1.PodPhase]int{}, 0
	for attempt := 1; deleted < times; attempt++ {
		if attempt > 3*times+10 {
			f.t.Fatalf("only %d of %d movers ran when they were to be deleted", deleted, attempt)
		}
		kopiatest.Write(f.t, filepath.Join(f.data, "a.txt"), fmt.Sprintf("attempt %d\n", attempt))
		p := f.begins(f.kubeconfig)
		phase, ran := f.forceDeletes(p, time.Duration(rand.Int64N(int64(span))))
		outcome := f.judgeDeleted(p.wait())
		if !ran {
			span = span * 3 / 4 // the one that was measured was slower than others
		} else {
			deleted++
			phases[phase]++
			codes[outcome]++
		}
	}
	f.shows("%d deleted with grace 0 (phases %v) within %s of their creation", deleted, phases, longest.Round(100*time.Millisecond))
	var said []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		said = append(said, fmt.Sprintf("%d x %s", codes[code], code))
	}
	return ended{code: 0, stdout: fmt.Sprintf("0 false successes in %d: %s", deleted, strings.Join(said, ", "))}
}

// moverTakes is how long a mover that is left alone takes, from its creation to
// its end.
func (f *faulted) moverTakes() time.Duration {
	f.t.Helper()
	p := f.begins(f.kubeconfig)
	f.untilMover(p)
	began := time.Now()
	var last time.Time
	for !isDone(p) {
		if mover := f.mover(); mover != nil && mover.Status.Phase != corev1.PodSucceeded {
			last = time.Now()
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.wait().result(f.t, 0)
	return last.Sub(began)
}

// forceDeletes deletes the command's mover some time after its creation, and
// reports whether it had not ended.
func (f *faulted) forceDeletes(p *running, after time.Duration) (corev1.PodPhase, bool) {
	f.t.Helper()
	f.untilMover(p)
	time.Sleep(after)
	mover := f.mover()
	if mover == nil || mover.Status.Phase == corev1.PodSucceeded || mover.Status.Phase == corev1.PodFailed || mover.DeletionTimestamp != nil {
		return "", false
	}
	err := shared.typed.CoreV1().Pods(f.name).Delete(f.t.Context(), mover.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: &mover.UID, ResourceVersion: &mover.ResourceVersion},
	})
	return mover.Status.Phase, err == nil
}

// untilMover waits until the command's mover exists.
func (f *faulted) untilMover(p *running) {
	f.t.Helper()
	f.until("a mover exists", func(context.Context) bool {
		if isDone(p) {
			f.t.Fatalf("the command has ended before its mover was seen:\n%s%s", p.stdout, p.stderr)
		}
		return f.mover() != nil
	})
}

// mover is the pod of the namespace's run; nil: there is none.
func (f *faulted) mover() *corev1.Pod {
	f.t.Helper()
	list, err := shared.typed.CoreV1().Pods(f.name).List(f.t.Context(), metav1.ListOptions{LabelSelector: moverLabel})
	f.must(err)
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// judgeDeleted fails the test when the command claims a success that is none, or
// leaves anything; it returns code and outcome.
func (f *faulted) judgeDeleted(end ended) string {
	f.t.Helper()
	var r result.Result
	f.must(json.Unmarshal([]byte(end.stdout), &r))
	f.isTrue(end.code, r)
	if left := f.left(); len(left) > 0 {
		f.t.Errorf("left: %v", left)
	}
	f.remembers(string(r.Outcome))
	return fmt.Sprintf("exit %d %s", end.code, r.Outcome)
}
