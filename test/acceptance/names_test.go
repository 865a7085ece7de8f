package acceptance

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// nobody is a user who may read neither root's files nor anybody else's.
const nobody = 65534

// hostile are names of files that a terminal, its reader's eye or a runner would take
// for something else, with what is shown of each.
func hostile() map[string]string {
	return map[string]string{
		"esc\x1b[2J\x1b]0;title\x07x":      `esc\x1b[2J\x1b]0;title\ax`,
		"evil\n::error file=x::PWNED":      `evil\n::error file=x::PWNED`,
		"form\r##[error]PWNED":             `form\r\x23#[error]PWNED`,
		"azure ##vso[task.setvariable]x":   `azure \x23#vso[task.setvariable]x`,
		"gpj.\u202eexe.\u009b2J":           `gpj.\u202eexe.\u009b2J`,
		"no \x9b2J UTF-8":                  "",
		"plain, äöü and a back\\slash\tab": "plain, äöü and a back\\slash\tab",
	}
}

// TestNamesInTheVolumeAreShownAndNotActedUpon: who can write to a volume chooses what
// a backup complains about, and must not write on its reader's screen by that.
func TestNamesInTheVolumeAreShownAndNotActedUpon(t *testing.T) {
	t.Parallel()
	kopiatest.NeedRoot(t)
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for _, progress := range []string{"plain", "tty", "json"} {
			t.Run(progress, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				w.repo.Seed(t)
				for name := range hostile() {
					w.write(t, name, "secret")
					if err := os.Chmod(filepath.Join(w.volume, name), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				form := "table"
				if progress == "json" {
					form = "json"
				}
				e := w.runAsNobody(t, append([]string{
					"backup", "--source-dir", w.volume, "--progress", progress, "-o", form,
					"--report-markdown", filepath.Join(w.dir, "report.md"),
				}, w.local(w.files(t, "app")...)...)...)
				if e.code != 4 {
					t.Fatalf("exit %d, want 4\n%s%s", e.code, e.stdout, e.stderr)
				}
				if form == "json" {
					checkNamesAreWhole(t, e)
				} else {
					checkShown(t, "stderr", e.stderr, hostile())
					checkShown(t, "stdout", e.stdout, nil)
				}
				checkShown(t, "the Markdown report", readFile(t, filepath.Join(w.dir, "report.md")), nil)
				checkShown(t, "the job's summary", readFile(t, filepath.Join(w.dir, "summary.md")), nil)
				checkShown(t, "the step's outputs", readFile(t, filepath.Join(w.dir, "outputs")), nil)
			})
		}
	})
}

// runAsNobody runs the program in a GitHub workflow, as a user who owns everything
// but the volume.
func (w *world) runAsNobody(t *testing.T, args ...string) ended {
	t.Helper()
	program, kopia := kopiatest.PublicCopy(t, w.dir, binary), kopiatest.PublicCopy(t, w.dir, w.kopia)
	if err := os.MkdirAll(w.state, 0o700); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(w.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(path, w.volume) {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := w.command(t, append(args, "--kopia", kopia)...)
	cmd.Path, cmd.Args[0], cmd.Dir = program, program, w.dir
	cmd.Env = append(cmd.Env, "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+filepath.Join(w.dir, "summary.md"), "GITHUB_OUTPUT="+filepath.Join(w.dir, "outputs"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	err = cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), errText.String()}
}

var (
	// displayCodes are what the display on a terminal itself writes.
	displayCodes = regexp.MustCompile(`\r|\x1b\[\??[0-9]*[A-Khlm]`)
	// runnerCommand is what a runner would act upon. The command's own annotations name
	// the manifest.
	runnerCommand = regexp.MustCompile(`(?m)^\s*::error file=x::|^PWNED|##\w*\[`)
)

// checkShown: the text acts upon nothing, and holds what is shown of the names.
func checkShown(t *testing.T, where, text string, names map[string]string) {
	t.Helper()
	acts := func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	shown := displayCodes.ReplaceAllString(text, "")
	if strings.ContainsFunc(shown, acts) || shown != strings.ToValidUTF8(shown, "") {
		t.Errorf("a terminal would act upon %s: %q", where, shown)
	}
	if found := runnerCommand.FindString(shown); found != "" {
		t.Errorf("a runner would act upon %q in %s:\n%s", found, where, shown)
	}
	for _, name := range names {
		if !strings.Contains(shown, name) {
			t.Errorf("%s does not show %q:\n%s", where, name, shown)
		}
	}
}

// checkNamesAreWhole: who reads JSON gets the names as they are, but for what is not
// UTF-8.
func checkNamesAreWhole(t *testing.T, e ended) {
	t.Helper()
	var r result.Result
	if err := json.Unmarshal([]byte(e.stdout), &r); err != nil {
		t.Fatalf("%v\n%s", err, e.stdout)
	}
	found := map[string]bool{}
	for _, of := range r.Snapshot.Errors {
		found[strings.TrimPrefix(of.Path, "/")] = true
	}
	for name, shown := range hostile() {
		if shown != "" && !found[name] {
			t.Errorf("%q is not among the errors of the Result: %q", name, r.Snapshot.Errors)
		}
	}
	for line := range strings.Lines(e.stderr) {
		if !json.Valid([]byte(line)) && !strings.HasPrefix(line, "::") {
			t.Errorf("no Event: %q", line)
		}
	}
}
