package acceptance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// The steps of a backup on this machine that come before the upload, and its end.
var (
	opened  = []string{"ok  run prepared", "ok  source and secret looked at", "ok  repository opened", "ok  policies as the manifest says"}
	cleaned = []string{"ok  status written", "ok  removed what the run made"}
)

// TestTheLiveViewMarksWhatFailed and calls done what went well, the clean-up after it too.
func TestTheLiveViewMarksWhatFailed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		prepare func(t *testing.T, w *world, files []string)
		command []string
		code    int
		want    []string
	}{
		"nothing":           {nil, nil, 0, append(steps(opened, "ok  uploaded", "ok  proved from the repository"), cleaned...)},
		"the data are gone": {loseData, nil, 1, append(steps(opened, "ok  uploaded", "!!  proving it from the repository"), cleaned...)},
		"a wrong password": {func(t *testing.T, w *world, files []string) {
			t.Helper()
			w.mustBackup(t, files...)
			w.file(t, "secret.yaml", strings.ReplaceAll(repositorySecret("vault", "prod"), password, password+"-of-another"))
		}, nil, 7, append(steps(opened[:2], "!!  opening the repository"), cleaned...)},
		"a file that cannot be read": {func(t *testing.T, w *world, _ []string) {
			t.Helper()
			w.program(t, "kopia-with-notes", `case "$1 $2" in 'snapshot create') '`+w.kopia+`' "$@" | sed 's/"numFailed":0/"numFailed":1/'; exit 1;; esac
exec '`+w.kopia+`' "$@"`)
		}, nil, 4, append(steps(opened, "!!  uploading", "ok  proved from the repository"), cleaned...)},
		"a restore": {loseData, []string{"restore"}, 1, []string{
			"ok  run prepared", "ok  target looked at", "ok  repository opened", "!!  restoring", "ok  removed what the run made",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopiatest.Kopia(t))
			w.repo.Seed(t)
			w.write(t, "x", strings.Repeat("content ", 1000))
			files := w.files(t, "app")
			if row.prepare != nil {
				row.prepare(t, w, files)
			}
			command := []string{"backup", "--source-dir", w.volume}
			if row.command != nil {
				command = append(slices.Clone(row.command), "--target-dir", filepath.Join(w.dir, "out"))
			}
			e := w.run(t, append(append(command, "--progress=tty"), w.local(files...)...)...)
			if e.code != row.code {
				t.Errorf("exit %d, want %d\n%s%s", e.code, row.code, e.stdout, e.stderr)
			}
			if diff := cmp.Diff(row.want, stepsOf(e.stderr)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, e.stderr)
			}
		})
	}
}

func steps(first []string, more ...string) []string {
	return append(append([]string{}, first...), more...)
}

// loseData backs up, and removes from the repository what the files held.
func loseData(t *testing.T, w *world, files []string) {
	t.Helper()
	w.mustBackup(t, files...)
	packs := w.repo.Blobs(t, "p")
	if len(packs) == 0 {
		t.Fatal("the repository holds no data")
	}
	for _, pack := range packs {
		if err := os.Remove(pack); err != nil {
			t.Fatal(err)
		}
	}
}

// stepsOf are the lines of a live view that stay, without times.
func stepsOf(shown string) []string {
	const erased = "\x1b[K"
	var found []string
	for line := range strings.Lines(shown) {
		if at := strings.LastIndex(line, erased); at >= 0 {
			line = line[at+len(erased):]
		}
		line, _, _ = strings.Cut(strings.TrimSpace(line), "   ")
		if strings.HasPrefix(line, "ok  ") || strings.HasPrefix(line, "!!  ") || strings.HasPrefix(line, "..  ") {
			found = append(found, line)
		}
	}
	return found
}

// TestASignalIsSeenToBeHeard: what it sets off takes its time, and whoever takes the
// command for deaf would send another, which leaves the clean-up undone.
func TestASignalIsSeenToBeHeard(t *testing.T) {
	t.Parallel()
	const note = "stopping: kopia saves what it has uploaded, if anything; press Ctrl-C again only to leave at once, without the clean-up"
	for mode, want := range map[string]int{"tty": 1, "plain": 1, "json": 1, "none": 0} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopiatest.Kopia(t))
			files := slow(t, w)
			r := w.begin(t, append([]string{"backup", "--progress=" + mode, "--source-dir", w.volume}, w.local(files...)...)...)
			r.until(t, "an upload", func() bool { return len(w.repo.Blobs(t, "p")) > 0 })
			if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			r.wait()
			if code := r.cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit %d\n%s", code, r.log())
			}
			if got := strings.Count(r.log(), note); got != want {
				t.Errorf("told %d times, want %d:\n%s", got, want, r.log())
			}
			if mode != "tty" {
				return
			}
			shown := append(steps(opened, "..  "+note, "!!  uploading"), cleaned...)
			if diff := cmp.Diff(shown, stepsOf(r.log())); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, r.log())
			}
		})
	}
}
