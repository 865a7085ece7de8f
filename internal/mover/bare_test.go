package mover_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// bareRow is a situation of bare kopia snapshot create --json, and what kopia itself
// makes of it: the ground that the mover's verdicts stand on.
type bareRow struct {
	prepare func(t *testing.T, w *world)
	args    []string
	// uid runs kopia as another user, stop signals it in mid-upload.
	uid  uint32
	stop syscall.Signal

	code int
	// prints is false where standard output stays empty, and else a snapshot has
	// this in incomplete and these counts.
	prints          bool
	incomplete      string
	failed, ignored int64
	// saved is how many snapshots another client finds.
	saved int
	// says is on standard error.
	says string
}

func bareRows() map[string]bareRow {
	nothing := func(*testing.T, *world) {}
	return map[string]bareRow{
		"clean":           {prepare: nothing, prints: true, saved: 1},
		"unreadable file": {prepare: unreadable, uid: nobody, code: 1, prints: true, failed: 1, saved: 1},
		"the same, ignored by a policy": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			unreadable(t, w)
			w.repo.Run(t, "policy", "set", "--global", "--ignore-file-errors=true")
		}, uid: nobody, prints: true, ignored: 1, saved: 1},
		"--fail-fast": {prepare: unreadable, args: []string{"--fail-fast"}, uid: nobody, code: 1, prints: true, incomplete: "canceled", failed: 1, saved: 1},
		"SIGTERM":     {prepare: slowFiles, args: slowArgs(), stop: syscall.SIGTERM, prints: true, incomplete: "canceled", saved: 1},
		"SIGINT":      {prepare: slowFiles, args: slowArgs(), stop: syscall.SIGINT, prints: true, incomplete: "canceled", saved: 1},
		"nothing changed": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			w.repo.Run(t, "policy", "set", "--global", "--ignore-identical-snapshots=true")
			w.snapshotCreate(t, bareRow{})
		}, saved: 1, says: "Not saving snapshot"},
		"empty directory": {prepare: func(t *testing.T, w *world) { w.emptyData(t) }, prints: true, saved: 1},
		"wrong password": {prepare: func(_ *testing.T, w *world) {
			w.repo.Password = "another"
		}, code: 1, saved: -1, says: "invalid repository password"},
		"empty storage": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			if err := os.RemoveAll(w.repo.Dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(w.repo.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, code: 1, saved: -1, says: "BLOB not found"},
		"missing directory": {prepare: func(t *testing.T, w *world) {
			t.Helper()
			if err := os.RemoveAll(w.repo.Dir); err != nil {
				t.Fatal(err)
			}
		}, code: 1, saved: -1, says: "cannot access storage path"},
	}
}

func slowArgs() []string { return []string{"--parallel=1", "--progress-update-interval=100ms"} }

func slowFiles(t *testing.T, w *world) {
	t.Helper()
	w.slowData(t)
}

// unreadable puts one file of root's into a tree that everybody can read.
func unreadable(t *testing.T, w *world) {
	t.Helper()
	kopiatest.NeedRoot(t)
	name := filepath.Join(w.data, "private.key")
	kopiatest.Write(t, name, "key")
	chmod(t, name, 0o600)
	w.readableTree(t)
}

// What kopia's exit status and its standard output say, and what they do not.
func TestWhatKopiaItselfMakesOfASnapshot(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, row := range bareRows() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				row.prepare(t, w)
				stdout, stderr, code := w.snapshotCreate(t, row)
				if code != row.code || !strings.Contains(stderr, row.says) {
					t.Errorf("exit %d, want %d and %q\n%s", code, row.code, row.says, stderr)
				}
				row.checkManifest(t, w, stdout)
			})
		}
	})
}

// checkManifest holds what kopia printed against what another client finds.
func (row bareRow) checkManifest(t *testing.T, w *world, stdout string) {
	t.Helper()
	var listed []kopiatest.Listed
	if row.saved >= 0 {
		if listed = w.repo.Snapshots(t); len(listed) != row.saved {
			t.Fatalf("%d snapshots are listed, want %d", len(listed), row.saved)
		}
	}
	if !row.prints {
		if stdout != "" {
			t.Errorf("standard output is %s", stdout)
		}
		return
	}
	var m struct {
		ID, Incomplete string
		RootEntry      struct {
			Summ struct{ Files, NumFailed, NumIgnoredErrors int64 }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	summ := m.RootEntry.Summ
	if m.ID == "" || m.ID != listed[0].ID || m.Incomplete != row.incomplete || m.Incomplete != listed[0].Incomplete ||
		summ.NumFailed != row.failed || summ.NumIgnoredErrors != row.ignored {
		t.Errorf("printed %+v, listed %+v", m, listed)
	}
}

// snapshotCreate runs bare kopia on the world's data and repository.
func (w *world) snapshotCreate(t *testing.T, row bareRow) (stdout, stderr string, code int) {
	t.Helper()
	client := filepath.Join(w.dir, "client")
	config, err := json.Marshal(map[string]any{
		"storage":  map[string]any{"type": "filesystem", "config": map[string]any{"path": w.repo.Dir}},
		"hostname": "prod", "username": "app",
	})
	if err != nil {
		t.Fatal(err)
	}
	kopiatest.Write(t, filepath.Join(client, "kopia.config"), string(config))
	args := append([]string{"snapshot", "create", w.data, "--json", "--progress", "--no-auto-maintenance", "--config-file=" + client + "/kopia.config", "--log-dir=" + client + "/logs"}, row.args...)
	cmd := exec.CommandContext(t.Context(), w.kopia, args...)
	if row.uid != 0 {
		cmd = exec.CommandContext(t.Context(), kopiatest.PublicCopy(t, w.dir, w.kopia), args...)
		w.giveTo(t, int(row.uid))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: row.uid, Gid: row.uid}}
	}
	cmd.Dir = w.dir
	cmd.Env = []string{"HOME=" + client, "KOPIA_PASSWORD=" + w.repo.Password, "KOPIA_CHECK_FOR_UPDATES=false", "KOPIA_CACHE_DIRECTORY=" + client + "/cache"}
	var out bytes.Buffer
	cmd.Stdout = &out
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr = readAndStop(t, bufio.NewReader(log), cmd.Process, row.stop)
	_ = cmd.Wait()
	return out.String(), stderr, cmd.ProcessState.ExitCode()
}

// readAndStop reads kopia's log to its end. At its first word of progress, parts of
// which end in "\r", it sends the signal.
func readAndStop(t *testing.T, log *bufio.Reader, kopia *os.Process, stop syscall.Signal) string {
	t.Helper()
	var text strings.Builder
	for {
		c, err := log.ReadByte()
		if err != nil {
			return text.String()
		}
		text.WriteByte(c)
		if stop != 0 && c == '\r' && strings.Contains(text.String(), "hashing") {
			if err := kopia.Signal(stop); err != nil {
				t.Error(err)
			}
			stop = 0
		}
	}
}
