package suite

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// moverFaults are what may happen to the mover and to what it writes.
func moverFaults() []faultRow {
	return []faultRow{
		{
			name: "mover pod deleted", shape: slow("1MB"), given: func(f *faulted) { f.random("big", 24) }, mend: (*faulted).hurry,
			meet: func(f *faulted) ended {
				p := f.begins(f.kubeconfig)
				f.deletes(f.uploading(), metav1.DeleteOptions{})
				f.happened("pods", `"deletionTimestamp":"[^"]*".*"phase":"Running"`)
				return p.wait()
			},
			code: 4, says: `(?i)deleted`,
		},
		{
			name: "mover OOM-killed", shape: shape{Kopia: "    moverResources: {limits: {memory: 40Mi}}\n"},
			meet: func(f *faulted) ended {
				end := f.backs()
				f.happened("pods", `"reason":"OOMKilled"`)
				return end
			},
			unknown: true, // the kernel may choose the mover itself
			mend:    func(f *faulted) { f.edit("memory: 40Mi", "memory: 1Gi") },
			code:    1, says: `more than the limit of 40Mi and was killed \(OOMKilled`,
		},
		{
			name: "image missing",
			meet: func(f *faulted) ended {
				end := f.backs("--mover-image=volsync-kopia.test/none:1")
				f.happened("pods", `"reason":"(ErrImagePull|ImagePullBackOff)"`)
				return end
			},
			code: 1, says: `ErrImagePull|ImagePullBackOff`,
		},
		{
			name: "storage loses the uploaded blobs", shape: shape{CopyMethod: "Direct"},
			meet: (*faulted).losesBlobs,
			code: 1, says: `backed by missing blob`,
		},
	}
}

// slow is a shape whose mover uploads no faster than this every second.
func slow(limit string) shape {
	return shape{Kopia: `    additionalArgs: ["--upload-speed=` + limit + `"]` + "\n"}
}

// hurry takes the limit away.
func (f *faulted) hurry() {
	f.t.Helper()
	text := f.manifest()
	_, rest, _ := strings.Cut(text, "    additionalArgs:")
	line, _, _ := strings.Cut(rest, "\n")
	f.edit("    additionalArgs:"+line+"\n", "")
}

// moverLabel finds the pods of this tool.
const moverLabel = "app.kubernetes.io/managed-by=kubectl-volsync-kopia"

// uploading waits until kopia reads the volume, and returns the mover.
func (f *faulted) uploading() *corev1.Pod {
	f.t.Helper()
	pods := shared.typed.CoreV1().Pods(f.name)
	var mover *corev1.Pod
	f.until("kopia uploads", func(ctx context.Context) bool {
		list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: moverLabel})
		if err != nil || len(list.Items) == 0 {
			return false
		}
		mover = &list.Items[0]
		log, err := pods.GetLogs(mover.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
		if strings.Contains(string(log), "Kopia printed") {
			f.t.Fatal("the upload is over: the fault would come too late")
		}
		return err == nil && strings.Contains(string(log), "Snapshotting")
	})
	time.Sleep(time.Second)
	return mover
}

// deletes deletes a pod that has not ended.
func (f *faulted) deletes(pod *corev1.Pod, o metav1.DeleteOptions) {
	f.t.Helper()
	o.Preconditions = &metav1.Preconditions{UID: &pod.UID}
	f.must(shared.typed.CoreV1().Pods(f.name).Delete(f.t.Context(), pod.Name, o))
}

// aside is where lost blobs lie.
func (f *faulted) aside() string { return filepath.Join(filepath.Dir(f.repository), "aside") }

// losesBlobs runs a backup while the storage loses every data blob as soon as it
// is written.
func (f *faulted) losesBlobs() ended {
	f.t.Helper()
	f.must(os.MkdirAll(f.aside(), 0o755))
	p := f.begins(f.kubeconfig)
	var lost int
	var losing sync.WaitGroup
	losing.Go(func() {
		for {
			lost += f.lose()
			select {
			case <-p.done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	end := p.wait()
	losing.Wait()
	if lost == 0 || !strings.Contains(end.stderr, "Kopia printed snapshot") {
		f.t.Fatalf("%d blobs were lost, and kopia did not notice at once:\n%s", lost, end.stderr)
	}
	f.shows("%d data blobs gone after kopia said: snapshot created; put back later", lost)
	f.putBack()
	return end
}

// lose moves the data blobs that are there aside, and counts them.
func (f *faulted) lose() int {
	lost := 0
	f.eachBlob(func(path, rel string) {
		if os.Rename(path, filepath.Join(f.aside(), strings.ReplaceAll(rel, "/", ":"))) == nil {
			lost++
		}
	})
	return lost
}

// eachBlob calls do for each data blob that is in the repository now, but for those of
// the earlier snapshot.
func (f *faulted) eachBlob(do func(path, rel string)) {
	_ = filepath.WalkDir(f.repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // it is being written
		}
		rel, _ := filepath.Rel(f.repository, path)
		if strings.HasPrefix(rel, "p") && strings.HasSuffix(rel, ".f") && !f.earlier.blobs[rel] {
			do(path, rel)
		}
		return nil
	})
}

// putBack is a storage that has found its blobs again.
func (f *faulted) putBack() {
	f.t.Helper()
	found, err := os.ReadDir(f.aside())
	f.must(err)
	for _, blob := range found {
		f.must(os.Rename(filepath.Join(f.aside(), blob.Name()), filepath.Join(f.repository, strings.ReplaceAll(blob.Name(), ":", "/"))))
	}
	f.must(os.Remove(f.aside()))
}
