package k8s

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
)

// TestAMoverThatWasStoppedBeforeItCouldListen has done nothing. One that has written
// or run for longer may have, and what it leaves without a stop is a crash.
func TestAMoverThatWasStoppedBeforeItCouldListen(t *testing.T) {
	t.Parallel()
	overdue := func(p *corev1.Pod) { p.Status.Reason = reasonDeadline }
	deleted := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }
	for name, c := range map[string]struct {
		stop func(*corev1.Pod)
		code int32
		ran  time.Duration
		line string
		want result.Outcome
	}{
		"by its limit":           {overdue, 2, time.Second, "", result.TimedOut},
		"by a deletion":          {deleted, 2, time.Second, "", result.Cancelled},
		"a deletion's signal":    {deleted, 143, time.Second, "", result.Cancelled},
		"its limit's signal":     {overdue, 143, time.Second, "", result.TimedOut},
		"a signal, not stopped":  {func(*corev1.Pod) {}, 143, time.Second, "", result.Unknown},
		"a signal after a while": {deleted, 143, time.Minute, "", result.Unknown},
		"a signal, and it spoke": {deleted, 143, time.Second, "Opening the repository", result.Unknown},
		"not stopped":            {func(*corev1.Pod) {}, 2, time.Second, "", result.Unknown},
		"killed":                 {deleted, 137, time.Second, "", result.Unknown},
		"after a while":          {deleted, 2, time.Minute, "", result.Unknown},
		"after its first line":   {deleted, 2, time.Second, "goroutine 1 [running]:", result.Unknown},
		"by its limit, it spoke": {overdue, 2, time.Second, "Opening the repository", result.Unknown},
	} {
		pod := moverPod(c.stop)
		end := metav1.NewTime(time.Now())
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: c.code, StartedAt: metav1.NewTime(end.Add(-c.ran)), FinishedAt: end,
		}}}}
		collect := run.Collector{Observer: deaf{}, Task: &result.Task{RunID: testRun, Operation: result.OperationBackup}, Now: time.Now}
		if c.line != "" {
			collect.Line(c.line)
		}
		if r := concluded(&collect, pod, false); r.Outcome != c.want {
			t.Errorf("%s: %s: %s", name, r.Outcome, r.Message)
		}
	}
}
