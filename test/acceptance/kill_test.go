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

// start begins a backup and waits until its log has the text.
func (w *world) start(t *testing.T, until string, files ...string) *running {
	t.Helper()
	args := append([]string{"backup", "-o", "json", "--progress=json", "--source-dir", w.volume}, w.local(files...)...)
	r := &running{cmd: w.command(t, args...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(r.log(), until); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q did not appear:\n%s", until, r.log())
		}
	}
	return r
}

const uploading = `"type":"progress"`

func TestASignalCancelsAndNamesThePartialSnapshot(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopiatest.Kopia(t))
			r := w.start(t, uploading, slow(t, w)...)
			if err := r.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = r.cmd.Wait()
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
		})
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
	_ = r.cmd.Wait()
}

// TestNoSecretIsEverShown puts a canary into every key that a repository Secret
// may have, and looks for it in everything that can be seen.
func TestNoSecretIsEverShown(t *testing.T) {
	t.Parallel()
	// No other test has this one, so that whoever shows it has it from here.
	const canary = password + "-of-this-test-alone"
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Password = canary
	var secret strings.Builder
	secret.WriteString(strings.ReplaceAll(repositorySecret("vault", "prod"), password, canary))
	for _, key := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "KOPIA_AZURE_STORAGE_KEY", "AZURE_ACCOUNT_KEY", "AZURE_ACCOUNT_SAS",
		"GOOGLE_APPLICATION_CREDENTIALS", "B2_APPLICATION_KEY", "WEBDAV_PASSWORD", "SFTP_PASSWORD", "SFTP_KEY_FILE", "RCLONE_CONFIG",
		"GOOGLE_DRIVE_CREDENTIALS", "SOMETHING_ELSE",
	} {
		secret.WriteString("  " + key + ": " + canary + "-" + key + "\n")
	}
	files := slow(t, w)
	files[1] = w.file(t, "all-keys.yaml", secret.String())
	r := w.start(t, uploading, files...)
	seen := 0
	for range 20 {
		seen += lookIntoProcesses(t, canary)
		time.Sleep(50 * time.Millisecond)
	}
	if seen == 0 {
		t.Error("no process of kopia was looked at")
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	plan := w.run(t, append([]string{"plan", "-o", "json", "--source-dir", w.volume}, w.local(files...)...)...)
	invalid := w.run(t, "validate", "-f", w.file(t, "bad.yaml", secret.String()+"  - "+canary+"\n"+"data: ["+canary))
	for what, text := range map[string]string{
		"stdout": r.stdout.String(), "stderr": r.log(), "plan": plan.stdout + plan.stderr,
		"validate": invalid.stdout + invalid.stderr, "state": treeText(t, w.state), "repository log": treeText(t, w.repo.Dir),
	} {
		if strings.Contains(text, password) {
			t.Errorf("a secret is in %s", what)
		}
	}
	nothingLeft(t, w)
}

// lookIntoProcesses looks for the canary in the command line and environment of
// every process of this machine, and returns how many movers' kopias it met.
func lookIntoProcesses(t *testing.T, canary string) int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	met := 0
	for _, dir := range dirs {
		// Processes come and go, and those of others may not be readable.
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.Contains(line, []byte("--config-file=")) && bytes.Contains(line, []byte("kubectl-volsync-kopia-")) {
			met++
		}
		for what, content := range map[string][]byte{"environment": environment, "command line": line} {
			if bytes.Contains(content, []byte(canary)) {
				t.Errorf("a secret is in the %s of %s", what, dir)
			}
		}
	}
	return met
}
