package k8s

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

const (
	// maxLogLine bounds a line of the mover's log; a list of snapshots is the
	// longest.
	maxLogLine = 256 << 20
	// logRetry is how long a broken log stream is left alone.
	logRetry = 500 * time.Millisecond
)

// logReader reads a mover's log from its first byte, each line once, however
// often the stream breaks. The kubelet's time of each line tells where to go on.
type logReader struct {
	cluster   *Cluster
	namespace string
	pod       string
	line      func(string)
	// ended reports whether the container has ended: a stream that was begun after
	// that is complete when it ends.
	ended func() bool

	// last reports whether the line that was read last ends the log.
	last func() bool
	// broken is called when the log could not be read, or no further; nil: nobody
	// wants to know.
	broken func()

	// at is the time of the last line, atCount how many lines of that very time
	// were read.
	at      string
	atCount int
}

// Log writes a run's log, the machine's lines among them. With follow it waits for
// the mover to start, and goes on until it has ended.
func (c *Cluster) Log(ctx context.Context, r Run, follow bool, out io.Writer) error {
	if follow && r.State == RunRunning {
		var err error
		if r.pod, err = c.begunPod(ctx, r); err != nil {
			return err
		}
	}
	if r.pod == nil {
		return fault.New(fault.Refused, "it has no pod, so its log is gone").At("run " + r.ID).
			WithHint("kubectl volsync-kopia runs show " + r.ID + " prints its result")
	}
	body, err := c.typed.CoreV1().Pods(r.pod.Namespace).GetLogs(r.pod.Name, &corev1.PodLogOptions{Container: moverContainer, Follow: follow}).Stream(ctx)
	if err != nil {
		return fault.New(fault.Failed, "read its log: %w", err).At("pod " + r.pod.Namespace + "/" + r.pod.Name)
	}
	defer body.Close()
	if _, err := io.Copy(out, body); err != nil {
		return fault.New(fault.Failed, "read its log: %w", err).At("pod " + r.pod.Namespace + "/" + r.pod.Name)
	}
	return nil
}

// begunPod waits until the mover of a running run has started, and returns its pod;
// nil: it has none.
func (c *Cluster) begunPod(ctx context.Context, r Run) (pod *corev1.Pod, err error) {
	v := newView(c, r.job.Namespace, r.ID)
	defer v.close()
	if err := errors.Join(v.watch(ctx, "Pod"), v.watch(ctx, "Job")); err != nil {
		return nil, err
	}
	err = v.until(ctx, func() (bool, error) {
		object, gone := v.pod(plan.RoleMover)
		if object == nil {
			return v.over(r.job.Name)
		}
		pod = &corev1.Pod{}
		if err := convert(object, pod); err != nil {
			return false, err
		}
		return gone || hasBegun(pod) || hasEnded(pod), nil
	})
	return pod, err
}

// read reads until the log is complete or ctx ends.
func (l *logReader) read(ctx context.Context) {
	for ctx.Err() == nil {
		before := l.ended()
		err := l.stream(ctx)
		if apierrors.IsNotFound(err) || err == nil && (before || l.last()) {
			return
		}
		if err != nil && l.broken != nil {
			l.broken()
		}
		_ = pause(ctx, logRetry)
	}
}

// stream reads one stream to its end.
func (l *logReader) stream(ctx context.Context) error {
	options := &corev1.PodLogOptions{Container: moverContainer, Follow: true, Timestamps: true}
	if at, err := time.Parse(time.RFC3339Nano, l.at); err == nil {
		since := metav1.NewTime(at) // whole seconds: lines that were read come again
		options.SinceTime = &since
	}
	body, err := l.cluster.typed.CoreV1().Pods(l.namespace).GetLogs(l.pod, options).Stream(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	return l.scan(body)
}

// scan passes on the lines that were not read before.
func (l *logReader) scan(body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLogLine)
	from, skip := l.at, l.atCount
	for lines.Scan() {
		at, text, ok := strings.Cut(lines.Text(), " ")
		if _, err := time.Parse(time.RFC3339Nano, at); !ok || err != nil {
			continue // the kubelet's own words on why it cannot read on, as of a log that was rotated
		}
		switch before(at, from) {
		case -1:
			continue
		case 0:
			if skip > 0 {
				skip--
				continue
			}
		}
		if at == l.at {
			l.atCount++
		} else {
			l.at, l.atCount = at, 1
		}
		l.line(text)
	}
	return lines.Err()
}

// before compares two times of log lines; an empty or broken one is before all.
func before(a, b string) int {
	x, errX := time.Parse(time.RFC3339Nano, a)
	y, errY := time.Parse(time.RFC3339Nano, b)
	if errX != nil || errY != nil {
		return 1
	}
	return x.Compare(y)
}
