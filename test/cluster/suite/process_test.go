package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// running is a command that runs beside the test.
type running struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr *bytes.Buffer
	done           chan struct{}
}

// start starts the command. It is killed when the test ends before it does.
func start(t testing.TB, kubeconfig string, args ...string) *running {
	t.Helper()
	p := prepare(t, kubeconfig, args...)
	p.begin()
	return p
}

// prepare is the command before it is started.
func prepare(t testing.TB, kubeconfig string, args ...string) *running {
	p := &running{t: t, done: make(chan struct{})}
	p.cmd, p.stdout, p.stderr = command(t.Context(), kubeconfig, args...)
	return p
}

// begin starts the command.
func (p *running) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its exit code is looked at below
	}()
	p.t.Cleanup(func() { <-p.done })
}

// wait returns how the command ended, and fails the test when it has not after
// three minutes.
func (p *running) wait() ended {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(3 * time.Minute):
		p.t.Fatalf("%v has not ended after 3 minutes", p.cmd.Args[1:])
	}
	return ended{p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()}
}

// ended fails the test unless the command has this exit code, and decodes its
// Result.
func (e ended) result(t testing.TB, code int) result.Result {
	t.Helper()
	var r result.Result
	e.decode(t, code, &r)
	return r
}

// decode fails the test unless the command has this exit code, and decodes what
// it printed.
func (e ended) decode(t testing.TB, code int, into any) {
	t.Helper()
	if e.code != code {
		t.Fatalf("exit code %d, want %d\n%s\n%s", e.code, code, e.stdout, e.stderr)
	}
	if err := json.Unmarshal([]byte(e.stdout), into); err != nil {
		t.Fatalf("%v\n%s\n%s", err, e.stdout, e.stderr)
	}
}

// listed is one run as runs list prints it.
type listed struct {
	ID     string
	Object result.ObjectRef
	State  string
	Result *result.Result
}

// runs are the runs of the namespace, as another process lists them.
func (n *space) runs() []listed {
	n.t.Helper()
	var list struct{ Items []listed }
	call(n.t, "runs", "list", "-n", n.name, "-o", "json").decode(n.t, 0, &list)
	return list.Items
}

// untilRuns waits until the runs of the namespace have these states, in any
// order, and returns them.
func (n *space) untilRuns(states ...string) []listed {
	n.t.Helper()
	slices.Sort(states)
	var found []listed
	n.until("the runs are "+strings.Join(states, ", "), func(context.Context) bool {
		found = n.runs()
		var now []string
		for _, r := range found {
			now = append(now, r.State)
		}
		slices.Sort(now)
		return slices.Equal(now, states)
	})
	return found
}

// gated is a shape whose mover waits, before its snapshot, until the test opens
// the gate: it is then known to run.
func gated(s shape) shape {
	s.CopyMethod = "Direct"
	s.Kopia += "    actions: {beforeSnapshot: 'echo " + atGate + "; while [ ! -e " + gate + " ]; do sleep 0.1; done'}\n"
	return s
}

const (
	// gate is a file of the data volume, which the action sees as its directory.
	gate = "open"
	// atGate is in the log of a mover that waits.
	atGate = "waiting at the gate"
)

// open lets the movers that wait go on.
func (n *space) open() {
	n.t.Helper()
	kopiatest.Write(n.t, filepath.Join(n.data, gate), "")
}

// random writes a file of random bytes, which kopia cannot compress or find
// again.
func (n *space) random(name string, megabytes int64) {
	n.t.Helper()
	in, err := os.Open("/dev/urandom")
	n.must(err)
	defer in.Close()
	out, err := os.Create(filepath.Join(n.data, name))
	n.must(err)
	_, err = out.ReadFrom(io.LimitReader(in, megabytes<<20))
	n.must(err)
	n.must(out.Close())
	n.must(os.Chmod(out.Name(), 0o644))
}
