package k8s

import (
	"bufio"
	"bytes"
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
	// that is complete when it ends, with a last line that has no line break.
	ended func() bool

	// last reports whether the line that was read last ends the log.
	last func() bool
	// broken is called when the log could not be read, or no further; nil: nobody
	// wants to know.
	broken func()

	logPosition
}

// logPosition is how far a log was read: the time of the last line, and how many
// lines of that very time were read.
type logPosition struct {
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
		err := l.stream(ctx, before)
		if apierrors.IsNotFound(err) || err == nil && (before || l.last()) {
			return
		}
		if err != nil && l.broken != nil {
			l.broken()
		}
		_ = pause(ctx, logRetry)
	}
}

// stream reads one stream to its end; whole: nothing can come after that.
func (l *logReader) stream(ctx context.Context, whole bool) error {
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
	return l.scan(body, whole)
}

// scan passes on the lines that were not read before. What a stream ends with that has
// no line break is a part of a line, which comes again, unless the stream is whole.
func (l *logReader) scan(body io.Reader, whole bool) error {
	rest := ""
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLogLine)
	lines.Split(func(data []byte, atEnd bool) (int, []byte, error) {
		if atEnd && bytes.IndexByte(data, '\n') < 0 { // at an error, too
			rest = string(data)
			return len(data), nil, nil
		}
		return bufio.ScanLines(data, atEnd)
	})
	since := l.logPosition
	for lines.Scan() {
		l.take(lines.Text(), &since)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if whole && rest != "" {
		l.take(rest, &since)
	}
	return nil
}

// take passes on a line of a stream that begins somewhere before since.
func (l *logReader) take(line string, since *logPosition) {
	at, text, ok := strings.Cut(line, " ")
	if _, err := time.Parse(time.RFC3339Nano, at); !ok || err != nil {
		return // the kubelet's own words on why it cannot read on, as of a log that was rotated
	}
	switch before(at, since.at) {
	case -1:
		return
	case 0:
		if since.atCount > 0 {
			since.atCount--
			return
		}
	}
	if at == l.at {
		l.atCount++
	} else {
		l.at, l.atCount = at, 1
	}
	l.line(text)
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
