package suite

import (
	"context"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
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
				f.evicts(f.storing(), nil)
				f.happened("pods", `"deletionTimestamp":"[^"]*".*"reason":"EvictionByEvictionAPI"`)
				return p.wait()
			},
			code: 4, says: "EvictionByEvictionAPI",
		},
		{
			name: "eviction during kopia's checkpoint", shape: slow("4MB"), given: big, mend: (*faulted).hurry,
			meet: func(f *faulted) ended {
				p := f.begins(f.kubeconfig)
				f.storing()
				f.must(p.cmd.Process.Signal(syscall.SIGINT))
				f.evicts(f.stopping(), new(int64(1)))
				f.happened("pods", `"deletionGracePeriodSeconds":1,.*"reason":"EvictionByEvictionAPI"`)
				// Whether kopia is done within the shorter grace is a race; either is told truly.
				f.happened("pods", `"exitCode":(137|143)`)
				return p.wait()
			},
			code: 130, says: "(?i)cancelled",
		},
	}
}

// storing waits until kopia has written data blobs, and returns the mover.
func (f *faulted) storing() *corev1.Pod {
	f.t.Helper()
	mover := f.uploading()
	f.until("data blobs are in the repository", func(context.Context) bool { return f.blobs() > 0 })
	f.shows("%d data blobs were written", f.blobs())
	return mover
}

// blobs counts the data blobs that are in the repository now.
func (f *faulted) blobs() int {
	count := 0
	f.eachBlob(func(string, string) { count++ })
	return count
}

// stopping waits until the mover was told to stop, and kopia has begun to write
// what it has.
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
	f.shows("SIGTERM with %ds of grace", *mover.DeletionGracePeriodSeconds)
	return mover
}

// evicts asks for the pod's eviction, with another grace period if one is given.
func (f *faulted) evicts(pod *corev1.Pod, grace *int64) {
	f.t.Helper()
	f.must(shared.typed.PolicyV1().Evictions(f.name).Evict(f.t.Context(), &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: f.name, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: grace},
	}))
}
