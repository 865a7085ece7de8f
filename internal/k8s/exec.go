package k8s

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// place is a container that commands run in.
type place struct{ namespace, pod, container string }

func (p place) String() string {
	return "pod " + p.namespace + "/" + p.pod + ", container " + p.container
}

// exec runs a command in a container, without a shell of its own and without
// standard input, and passes on each line that it writes. It returns nil when
// the command has ended with exit code 0, and an error for which exitCodeOf
// knows the code when it has ended with another.
//
// When ctx ends the connection is closed; the command may go on in its
// container, as Kubernetes has no way to end it.
func (c *Cluster) exec(ctx context.Context, at place, command []string, line func(string)) error {
	to, err := c.execURL(at, command)
	if err != nil {
		return err
	}
	executor, err := c.executor(to)
	if err != nil {
		return err
	}
	var one sync.Mutex // two streams, one listener
	tell := func(text string) {
		one.Lock()
		defer one.Unlock()
		line(text)
	}
	out, errOut := &lines{tell: tell}, &lines{tell: tell}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: out, Stderr: errOut})
	out.end()
	errOut.end()
	return err
}

// execURL is what is asked of the API server.
func (c *Cluster) execURL(at place, command []string) (*url.URL, error) {
	client, err := typedcorev1.NewForConfig(c.config)
	if err != nil {
		return nil, err
	}
	return client.RESTClient().Post().Resource("pods").Namespace(at.namespace).Name(at.pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: at.container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).
		URL(), nil
}

// executor speaks WebSocket, and SPDY to what does not understand it, as kubectl
// does.
func (c *Cluster) executor(to *url.URL) (remotecommand.Executor, error) {
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", to)
	if err != nil {
		return nil, err
	}
	websocket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", to.String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// exitCodeOf returns the exit code of a command that has run to its end.
func exitCodeOf(err error) (code int, ended bool) {
	var exit utilexec.CodeExitError
	if err == nil || !errors.As(err, &exit) {
		return 0, err == nil
	}
	return exit.Code, true
}

// noProgram reports whether the container lacks the program. The runtime says it
// only in words: those of runc, crun and containerd.
func noProgram(err error) bool {
	text := err.Error()
	return strings.Contains(text, "executable file not found") || strings.Contains(text, "no such file or directory")
}

// maxOutputLine bounds a line of a command's output; the rest is a line of its own.
const maxOutputLine = 8 << 10

// lines passes on what is written to it line by line.
type lines struct {
	tell func(string)

	mu   sync.Mutex
	rest []byte
	// ended is true once nobody listens: a command that was left may still write.
	ended bool
}

var _ io.Writer = (*lines)(nil)

// Write implements io.Writer; it never fails.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return len(p), nil
	}
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		switch {
		case end >= 0 && end <= maxOutputLine:
			l.tell(strings.TrimSuffix(string(l.rest[:end]), "\r"))
			l.rest = l.rest[end+1:]
		case len(l.rest) > maxOutputLine:
			l.tell(string(l.rest[:maxOutputLine]))
			l.rest = l.rest[maxOutputLine:]
		default:
			return len(p), nil
		}
	}
}

// end passes on a last line without a line break.
func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 && !l.ended {
		l.tell(string(l.rest))
	}
	l.ended, l.rest = true, nil
}
