package suite

import (
	"context"
	"strings"
	"syscall"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// deadFaults are runs whose command is no longer there, or that meet another.
func deadFaults() []faultRow {
	big := func(f *faulted) { f.random("big", 24) }
	return []faultRow{
		{
			name: "mover finishes while the command is dead", shape: slow("2MB"), given: big, mend: (*faulted).hurry, leaves: true,
			meet: func(f *faulted) ended {
				f.dies()
				f.untilEnded()
				f.lookAtOnce()
				return f.remembers("Succeeded")
			},
			code: 0, says: `"proved": "blobs"`,
		},
		{
			name: "Job's time to live ends uncollected", shape: slow("2MB"), given: big, mend: (*faulted).hurry, leaves: true, unknown: true,
			meet: func(f *faulted) ended {
				f.dies()
				f.untilEnded()
				f.lookAtOnce()
				f.expires()
				return f.remembers("Unknown")
			},
			code: 0, says: `Unknown`,
		},
		{
			name: "second command during a detached run", shape: slow("1MB"), given: big, mend: (*faulted).hurry, leaves: true,
			meet: func(f *faulted) ended {
				if end := f.backs("--detach"); end.code != 0 {
					f.t.Fatalf("the detached run was not started: %d\n%s", end.code, end.stderr)
				}
				f.uploading()
				end := f.backsBeside()
				job := f.job()
				if job.Status.Active != 1 {
					f.t.Fatalf("the first run is over: %+v", job.Status)
				}
				f.shows("Job %s is active before and after", job.Name)
				f.lookAtOnce()
				f.untilEnded()
				f.remembers("Succeeded")
				return end
			},
			code: 5, says: `its mover is running in Job`,
		},
	}
}

// dies starts a backup and kills it while its mover uploads.
func (f *faulted) dies() {
	f.t.Helper()
	p := f.begins(f.kubeconfig)
	f.uploading()
	f.must(p.cmd.Process.Kill())
	p.wait()
	if !endedBy(p.cmd, syscall.SIGKILL) {
		f.t.Fatalf("the command was not killed:\n%s", p.stderr)
	}
	f.shows("the command was killed while kopia uploaded")
}

// job is the namespace's only one.
func (f *faulted) job() batchv1.Job {
	f.t.Helper()
	list, err := shared.typed.BatchV1().Jobs(f.name).List(f.t.Context(), metav1.ListOptions{})
	f.must(err)
	if len(list.Items) != 1 {
		f.t.Fatalf("%d Jobs, want 1", len(list.Items))
	}
	return list.Items[0]
}

// untilEnded waits until the mover has ended well, and its Job is complete.
func (f *faulted) untilEnded() {
	f.t.Helper()
	f.until("the mover has ended", func(ctx context.Context) bool {
		list, err := shared.typed.CoreV1().Pods(f.name).List(ctx, metav1.ListOptions{LabelSelector: moverLabel})
		f.must(err)
		return len(list.Items) == 1 && list.Items[0].Status.Phase == corev1.PodSucceeded && f.job().Status.Succeeded == 1
	})
	f.shows("its mover then succeeded")
}

// expires lets the uncollected Job live no longer, and waits until it is gone.
func (f *faulted) expires() {
	f.t.Helper()
	job := f.job()
	for name := range job.Annotations {
		if strings.HasSuffix(name, "/collected") {
			f.t.Fatal("the Job was collected")
		}
	}
	jobs := shared.typed.BatchV1().Jobs(f.name)
	_, err := jobs.Patch(f.t.Context(), job.Name, types.MergePatchType, []byte(`{"spec":{"ttlSecondsAfterFinished":1}}`), metav1.PatchOptions{})
	f.must(err)
	f.until("the Job's time to live has removed it", func(ctx context.Context) bool {
		_, err := jobs.Get(ctx, job.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	f.shows("its Job went uncollected")
}
