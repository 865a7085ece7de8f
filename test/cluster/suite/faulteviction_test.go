package suite

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// evictionFaults evict the mover in the middle of a few hundred MB.
func evictionFaults() []faultRow {
	big := func(f *faulted) { f.random("big", 300) }
	return []faultRow{
		{
			name: "eviction during the upload", shape: slow("10MB"), given: big, mend: (*faulted).hurry,
			meet: func(f *faulted) ended {
				p := f.begins(f.kubeconfig)
				mover := f.storing()
				if !f.evicts(mover, nil) {
					f.t.Fatal("the mover had ended before it was evicted")
				}
				f.happened("pods", `"deletionTimestamp":"[^"]*".*"reason":"EvictionByEvictionAPI"`)
				return p.wait()
			},
			code: 4, says: "EvictionByEvictionAPI",
		},
		{
			name: "eviction during kopia's checkpoint", shape: slow("2MB"), given: big, mend: (*faulted).hurry,
			meet: (*faulted).evictedInCheckpoint,
			code: 130, says: "(?i)cancelled", unknown: true,
		},
	}
}

// checkpoints is how many checkpoints may be over before the eviction is.
const checkpoints = 4

// fillsPack is time for kopia to fill its next pack blob. It then waits until the limit
// lets it write that one, and has begun another: so what it has when it is told to stop
// takes it several seconds, and not all of it is written at the same moment. Should
// it not be so, the attempt shows it.
const fillsPack = 3 * time.Second

// evictedInCheckpoint cancels a backup, and evicts its mover as soon as kopia writes
// what it has, with a second of grace. Whether the kubelet cuts a grace short that has
// begun is its own affair; that kopia was not done when the mover was evicted is seen by
// the mover's exit code, or by what kopia wrote after that. When it was done it is tried
// again: how much kopia has still to write is chance.
func (f *faulted) evictedInCheckpoint() ended {
	f.t.Helper()
	var over []string
	for range checkpoints {
		p := f.begins(f.kubeconfig)
		f.storing()
		time.Sleep(fillsPack)
		f.must(p.cmd.Process.Signal(syscall.SIGINT))
		mover := f.stopping()
		wrote := f.checkpointing(mover)
		evicted := wrote != "" && f.evicts(mover, new(int64(1)))
		had := len(f.packs())
		end := p.wait()
		code, more := f.exitOf(mover), len(f.packs())-had
		if evicted && (code == "137" || code == "143" && more > 0) {
			f.shows("kopia wrote %s after SIGTERM, and %d more when evicted; exit code %s", wrote[:min(5, len(wrote))], more, code)
			f.happened("pods", `"deletionGracePeriodSeconds":1,.*"name":"`+mover.Name+`".*"reason":"EvictionByEvictionAPI"`)
			return end
		}
		if end.code != 130 {
			return end // the row says what is wrong with it
		}
		over = append(over, fmt.Sprintf("evicted %t, %d more written, exit code %s", evicted, more, code))
	}
	f.t.Fatalf("kopia was done each time before the mover was evicted: %s", strings.Join(over, "; "))
	return ended{}
}

// storing waits until kopia has written data blobs beyond those that are there, and
// returns the mover.
func (f *faulted) storing() *corev1.Pod {
	f.t.Helper()
	had := f.blobs()
	mover := f.uploading()
	f.until("data blobs are in the repository", func(context.Context) bool { return f.blobs() > had })
	f.shows("%d data blobs were written", f.blobs()-had)
	return mover
}

// blobs counts the data blobs that are in the repository now.
func (f *faulted) blobs() int {
	count := 0
	f.eachBlob(func(string, string) { count++ })
	return count
}

// packs are the pack blobs in the repository, of data and of metadata, also those that
// are not whole yet.
func (f *faulted) packs() map[string]bool {
	found := map[string]bool{}
	_ = filepath.WalkDir(f.repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // it is being written
		}
		rel, _ := filepath.Rel(f.repository, path)
		if strings.HasPrefix(rel, "p") || strings.HasPrefix(rel, "q") {
			whole, _, _ := strings.Cut(rel, ".f")
			found[whole] = true
		}
		return nil
	})
	return found
}

// stopping waits until the mover's pod is to go, and its container was told to stop.
func (f *faulted) stopping() *corev1.Pod {
	f.t.Helper()
	var mover *corev1.Pod
	f.until("the mover is told to stop", func(ctx context.Context) bool {
		list, err := shared.typed.CoreV1().Pods(f.name).List(ctx, metav1.ListOptions{LabelSelector: moverLabel})
		f.must(err)
		if len(list.Items) != 1 {
			f.t.Fatalf("%d movers, want 1", len(list.Items))
		}
		mover = &list.Items[0]
		return mover.DeletionTimestamp != nil
	})
	if mover.Status.Phase != corev1.PodRunning {
		f.t.Fatalf("the mover is %s, want Running", mover.Status.Phase)
	}
	killing := regexp.MustCompile(`"name":"` + mover.Name + `".*"reason":"Killing"`)
	f.until("the kubelet stops it", func(context.Context) bool { return f.seen.find("events", killing) != "" })
	return mover
}

// checkpointing waits until kopia, which was told to stop, writes another pack blob,
// and returns its name; "" when it has ended first.
func (f *faulted) checkpointing(mover *corev1.Pod) string {
	f.t.Helper()
	before := f.packs()
	wrote := ""
	f.until("kopia writes what it has", func(ctx context.Context) bool {
		for name := range f.packs() {
			if !before[name] {
				wrote = name
			}
		}
		return wrote != "" || f.exitNow(mover) != ""
	})
	return wrote
}

// exitOf waits until it is known how a mover has ended, and returns its exit code.
func (f *faulted) exitOf(pod *corev1.Pod) string {
	f.t.Helper()
	for began := time.Now(); time.Since(began) < 15*time.Second; time.Sleep(100 * time.Millisecond) {
		if code := f.exitNow(pod); code != "" {
			return code
		}
	}
	f.t.Fatalf("how pod %s has ended was not seen; the last is\n%s", pod.Name, f.seen.last("pods"))
	return ""
}

// exitNow is the exit code of a pod's only container, or "" as long as none was seen.
func (f *faulted) exitNow(pod *corev1.Pod) string {
	found := f.seen.find("pods", regexp.MustCompile(`"name":"`+pod.Name+`".*"exitCode":[0-9]+`))
	return found[strings.LastIndex(found, ":")+1:]
}

// evicts asks for the pod's eviction, with another grace period if one is given, and
// reports whether the pod was still there.
func (f *faulted) evicts(pod *corev1.Pod, grace *int64) bool {
	f.t.Helper()
	err := shared.typed.PolicyV1().Evictions(f.name).Evict(f.t.Context(), &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: f.name, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: grace},
	})
	if apierrors.IsNotFound(err) {
		return false
	}
	f.must(err)
	return true
}
