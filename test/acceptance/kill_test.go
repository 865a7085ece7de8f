package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// slow makes a volume whose upload takes long: 40 MB at 2 MB/s.
func slow(t *testing.T, w *world) []string {
	t.Helper()
	for i := range 40 {
		block := make([]byte, 1<<20)
		for j := range block {
			block[j] = byte((i*2654435761 + j*j + j>>7) ^ (j * i >> 3))
		}
		w.write(t, fmt.Sprintf("block-%d", i), string(block))
	}
	return w.files(t, "app", "additionalArgs: [--upload-speed=2MB, --parallel=1]")
}

// running is a backup under way.
type running struct {
	cmd    *exec.Cmd
	ended  sync.Once
	stdout bytes.Buffer
	mu     sync.Mutex
	stderr strings.Builder
}

// Write implements io.Writer for the log.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.Write(p)
}

func (r *running) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

// wait returns when the backup has ended, and its mover, too, if that outlives it.
func (r *running) wait() { r.ended.Do(func() { _ = r.cmd.Wait() }) }

// start begins a backup and waits until its log has the text.
func (w *world) start(t *testing.T, until string, files ...string) *running {
	t.Helper()
	r := w.begin(t, append([]string{"backup", "-o", "json", "--progress=json", "--source-dir", w.volume}, w.local(files...)...)...)
	r.until(t, until, func() bool { return strings.Contains(r.log(), until) })
	return r
}

// begin starts the program. What it has printed by the end of the test is searched for
// the repository's password.
func (w *world) begin(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: w.command(t, args...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.wait()
		noSecret(t, map[string]string{"the standard output of a backup": r.stdout.String(), "its log": r.log()})
	})
	return r
}

// until waits for what is called what.
func (r *running) until(t *testing.T, what string, seen func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !seen(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q did not appear:\n%s", what, r.log())
		}
	}
}

const uploading = `"type":"progress"`

func TestASignalCancelsAndNamesThePartialSnapshot(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for signal, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
			t.Run(signal.String(), func(t *testing.T) {
				t.Parallel()
				cancelled(t, newWorld(t, kopia), signal, code)
			})
		}
	})
}

// cancelled signals a backup in mid-upload, which ends with the code.
func cancelled(t *testing.T, w *world, signal syscall.Signal, code int) {
	t.Helper()
	r := w.start(t, uploading, slow(t, w)...)
	if err := r.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	r.wait()
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit %d, want %d\n%s", got, code, r.log())
	}
	var res result.Result
	if err := json.Unmarshal(r.stdout.Bytes(), &res); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout.String())
	}
	if res.Outcome != result.Cancelled || res.ExitCode != code {
		t.Errorf("outcome %s, exit code %d", res.Outcome, res.ExitCode)
	}
	held := w.repo.Snapshots(t)
	if len(held) != 1 || held[0].Incomplete == "" || res.Snapshot == nil || res.Snapshot.ID != held[0].ID || !strings.Contains(res.Message, held[0].ID) {
		t.Errorf("the repository holds %+v, the result names %+v: %s", held, res.Snapshot, res.Message)
	}
	if recorded := w.history(t); recorded.Outcome != result.Cancelled || recorded.ExitCode != code {
		t.Errorf("the history says %s, exit code %d", recorded.Outcome, recorded.ExitCode)
	}
	nothingLeft(t, w)
	// It is shown when it is asked for, and never restored silently.
	files := w.local(w.file(t, "app.yaml", source("app", "prod")), w.file(t, "secret.yaml", repositorySecret("vault", "prod")))
	list := w.run(t, append([]string{"snapshots", "list"}, files...)...)
	if !strings.Contains(list.stdout, "No complete snapshots; --incomplete shows 1 incomplete one.") {
		t.Errorf("list: %s%s", list.stdout, list.stderr)
	}
	restored := w.run(t, append([]string{"restore", "--target-dir", filepath.Join(w.dir, "out")}, files...)...)
	if restored.code != 5 {
		t.Errorf("restore: exit %d\n%s", restored.code, restored.stderr)
	}
}

// nothingLeft checks that no run is on record and no private directory stays.
func nothingLeft(t *testing.T, w *world) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(w.state, "runs", "*")); len(left) > 0 {
		t.Errorf("runs are still on record: %v", left)
	}
	for _, call := range w.calls(t) {
		for _, argument := range call {
			if config, ok := strings.CutPrefix(argument, "--config-file="); ok {
				if _, err := os.Stat(filepath.Dir(config)); !os.IsNotExist(err) {
					t.Errorf("%s is still there: %v", filepath.Dir(config), err)
				}
			}
		}
	}
}

func TestTheSameSourceTwiceIsRefusedAndNamesTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	files := slow(t, w)
	r := w.start(t, uploading, files...)
	_, e := w.backup(t, files...)
	if e.code != 5 || !strings.Contains(e.stderr, fmt.Sprintf("(process %d)", r.cmd.Process.Pid)) {
		t.Errorf("exit %d\n%s", e.code, e.stderr)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.wait()
}
