package mover_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/mover"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// canary is the repository password of every test: no output may hold it.
const canary = "canary-pw-5f2a9c"

// world is one volume, one repository, one cache volume and a task for them.
type world struct {
	kopia string
	task  result.Task
	repo  *kopiatest.Repository
	// options are changed by tests before run.
	options mover.Options

	data, secrets, dir string
}

// newWorld makes a volume with a small tree and an empty repository.
func newWorld(t *testing.T, kopia string) *world {
	t.Helper()
	w := newBareWorld(t, kopia)
	w.repo.Seed(t)
	return w
}

// newBareWorld is a world whose repository directory is empty.
func newBareWorld(t *testing.T, kopia string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		kopia: kopia, dir: dir, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secret"),
	}
	repo := filepath.Join(dir, "repository")
	for _, d := range []string{w.data, w.secrets, repo} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	kopiatest.Tree(t, w.data)
	w.repo = kopiatest.NewRepository(t, kopia, repo, canary)
	w.secret(t, "KOPIA_PASSWORD", canary+"\n")
	w.secret(t, "KOPIA_REPOSITORY", "filesystem://"+repo)
	w.options = mover.Options{TerminationLog: filepath.Join(dir, "termination"), Clock: time.Now}
	w.task = result.Task{
		APIVersion: result.APIVersion, Kind: result.KindTask, Operation: result.OperationBackup,
		RunID: "run-1", Object: result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"},
		Identity: result.Identity{Username: "app", Hostname: "prod", Path: "/data"},
		Kopia:    kopia, WorkDir: filepath.Join(dir, "work"), CacheDir: filepath.Join(dir, "cache"),
		Repository:  result.RepositoryTask{SecretDir: w.secrets, SecretName: "kopia-config", Create: result.CreateAuto},
		Policy:      result.PolicyTask{OnError: result.PolicyErrorsFail},
		Backup:      &result.BackupTask{Root: w.data, OnEmpty: result.OnEmptySkip, Prove: result.ProveBlobs, Tags: map[string]string{"volsync-kopia-run": "run-1"}},
		GracePeriod: result.Duration(20 * time.Second),
	}
	return w
}

func (w *world) secret(t *testing.T, key, value string) {
	t.Helper()
	kopiatest.Write(t, filepath.Join(w.secrets, key), value)
}

// outcome is what one run left behind.
type outcome struct {
	result.Result
	log string
}

// run runs the mover and checks what holds for every run: the Result is in both
// places, and the password is in neither.
func (w *world) run(t *testing.T) outcome {
	t.Helper()
	return w.runContext(t.Context(), t)
}

func (w *world) runContext(ctx context.Context, t *testing.T) outcome {
	t.Helper()
	return w.runLogged(ctx, t, &safeBuffer{})
}

func (w *world) runLogged(ctx context.Context, t *testing.T, log *safeBuffer) outcome {
	t.Helper()
	w.options.Stdout = log
	res := mover.Run(ctx, w.task, w.options)
	o := outcome{res, log.String()}
	w.check(t, o)
	return o
}

func (w *world) check(t *testing.T, o outcome) {
	t.Helper()
	if bytes.Contains([]byte(o.log), []byte(canary)) {
		t.Errorf("the password is in the log:\n%s", o.log)
	}
	message, err := os.ReadFile(w.options.TerminationLog)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(message, []byte(canary)) {
		t.Errorf("the password is in the termination message:\n%s", message)
	}
	short, err := result.Decode(message)
	if err != nil {
		t.Fatalf("termination message: %v\n%s", err, message)
	}
	for name, r := range map[string]*result.Result{"termination message": short, "last event": lastEvent(t, o.log)} {
		if r.Outcome != o.Outcome || r.ExitCode != o.ExitCode || snapshotID(*r) != snapshotID(o.Result) {
			t.Errorf("the %s says %s %d %q, Run returned %s %d %q", name,
				r.Outcome, r.ExitCode, snapshotID(*r), o.Outcome, o.ExitCode, snapshotID(o.Result))
		}
	}
}

// lastEvent is the Result in the last line of the log.
func lastEvent(t *testing.T, log string) *result.Result {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace([]byte(log)), []byte("\n"))
	event, err := result.DecodeEventLine(lines[len(lines)-1])
	if err != nil {
		t.Fatalf("last line of the log: %v\n%s", err, log)
	}
	return event.Result
}

func snapshotID(r result.Result) string {
	if r.Snapshot == nil {
		return ""
	}
	return r.Snapshot.ID
}

// want checks how a run ended.
func (o outcome) want(t *testing.T, outcome result.Outcome, exitCode int, reason string) {
	t.Helper()
	if o.Outcome != outcome || o.ExitCode != exitCode || o.Reason != reason {
		t.Errorf("ended %s, exit %d, reason %q; want %s, %d, %q\n%s", o.Outcome, o.ExitCode, o.Reason, outcome, exitCode, reason, o.log)
	}
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	// onWrite sees each line; it may be nil.
	onWrite func(string)
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	if b.onWrite != nil {
		b.onWrite(string(p))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
