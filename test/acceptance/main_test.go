package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// password is the repository's in every test; it must never be printed.
const password = "c4n4ry-of-the-repository-password"

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		// Most of a test is a wait: for a process, a disk, an upload with a limit.
		if err := flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "acceptance")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "kubectl-volsync_kopia")
	build := exec.Command("go", "build", "-o", binary, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// world is one user's machine: a volume, a repository, a state directory, and a
// kopia that keeps notes.
type world struct {
	kopia string // the real one
	dir   string
	// volume stands in for the claim.
	volume string
	repo   *kopiatest.Repository
	state  string
	// path is the PATH of the command, for stand-ins of programs.
	path string
	// extra are more flags for every command.
	extra []string
	// before is kopia's global policy before the run, as policy show --json has
	// it; empty in tests that do not compare with it.
	before string
}

func newWorld(t *testing.T, kopia string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		kopia: kopia, dir: dir, volume: filepath.Join(dir, "volume"), state: filepath.Join(dir, "state"),
		repo: kopiatest.NewRepository(t, kopia, filepath.Join(dir, "repository"), password),
		path: filepath.Join(dir, "bin") + ":/usr/local/bin:/usr/bin:/bin",
	}
	for _, d := range []string{w.volume, w.repo.Dir, filepath.Join(dir, "bin")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.program(t, "kopia-with-notes", fmt.Sprintf(`
{ printf '%%s\037' "$@"; echo; } >> '%[1]s/argv'
case " $* " in *" create "*|*" maintenance run "*) for a in "$@"; do case "$a" in --config-file=*) cp "${a#--config-file=}" '%[1]s/kopia.config';; esac; done;; esac
exec '%[2]s' "$@"`, dir, kopia))
	return w
}

// program puts a shell script on the PATH.
func (w *world) program(t *testing.T, name, script string) {
	t.Helper()
	kopiatest.Script(t, filepath.Join(w.dir, "bin", name), "#!/bin/sh\n"+script+"\n")
}

// write puts a file into the volume.
func (w *world) write(t *testing.T, name, content string) {
	t.Helper()
	kopiatest.Write(t, filepath.Join(w.volume, name), content)
}

// file writes a manifest and returns its path.
func (w *world) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	kopiatest.Write(t, path, content)
	return path
}

// repositorySecret is the Secret that the sources of a test name.
func repositorySecret(name, namespace string) string {
	meta := "name: " + name
	if namespace != "" {
		meta += ", namespace: " + namespace
	}
	return "apiVersion: v1\nkind: Secret\nmetadata: {" + meta + "}\nstringData:\n" +
		"  KOPIA_REPOSITORY: filesystem:///kopia/repository\n  KOPIA_PASSWORD: " + password + "\n"
}

// ended is how a command ended.
type ended struct {
	code           int
	stdout, stderr string
}

// run runs the program.
func (w *world) run(t *testing.T, args ...string) ended {
	t.Helper()
	cmd := w.command(t, args...)
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	e := ended{cmd.ProcessState.ExitCode(), out.String(), errText.String()}
	noSecret(t, map[string]string{fmt.Sprintf("the output of %v", args): e.stdout + e.stderr})
	return e
}

func (w *world) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = []string{"PATH=" + w.path, "HOME=" + w.dir, "KUBECONFIG=" + filepath.Join(w.dir, "none"), "TMPDIR=" + w.dir}
	return cmd
}

// local are the flags of a run on this machine.
func (w *world) local(files ...string) []string {
	args := []string{"--local", "--repository-dir", w.repo.Dir, "--state-dir", w.state, "--kopia", filepath.Join(w.dir, "bin", "kopia-with-notes")}
	for _, f := range files {
		args = append(args, "-f", f)
	}
	return append(args, w.extra...)
}

// backup runs the sources of the files and returns their Results.
func (w *world) backup(t *testing.T, files ...string) ([]result.Result, ended) {
	t.Helper()
	args := append([]string{"backup", "-o", "json", "--source-dir", w.volume, "--max-parallel", "1"}, w.local(files...)...)
	e := w.run(t, args...)
	return decodeResults(t, e), e
}

// mustBackup is backup for runs that must succeed, with warnings or without.
func (w *world) mustBackup(t *testing.T, files ...string) []result.Result {
	t.Helper()
	results, e := w.backup(t, files...)
	if e.code != 0 || len(results) == 0 {
		t.Fatalf("backup: exit %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	return results
}

// decodeResults reads what -o json printed: a Result, a Report, or nothing.
func decodeResults(t *testing.T, e ended) []result.Result {
	t.Helper()
	if strings.TrimSpace(e.stdout) == "" {
		return nil
	}
	var document struct {
		Kind  string          `json:"kind"`
		Items []result.Result `json:"items"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal([]byte(e.stdout), &document); err != nil {
		t.Fatalf("decode the result: %v\n%s", err, e.stdout)
	}
	if document.Kind != result.KindResult {
		return document.Items
	}
	var one result.Result
	if err := json.Unmarshal([]byte(e.stdout), &one); err != nil {
		t.Fatal(err)
	}
	return []result.Result{one}
}

// calls returns the argument vectors of kopia so far, and forgets them.
func (w *world) calls(t *testing.T) [][]string {
	t.Helper()
	path := filepath.Join(w.dir, "argv")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	var calls [][]string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x1f\n"), "\x1f\n") {
		calls = append(calls, strings.Split(line, "\x1f"))
	}
	return calls
}

// called returns the last call of the sub-command.
func called(t *testing.T, calls [][]string, words ...string) []string {
	t.Helper()
	for i := len(calls) - 1; i >= 0; i-- {
		if len(calls[i]) >= len(words) && strings.Join(calls[i][:len(words)], " ") == strings.Join(words, " ") {
			return calls[i]
		}
	}
	t.Fatalf("kopia %v was not called: %q", words, calls)
	return nil
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
