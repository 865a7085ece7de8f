package suite

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// faulted is a namespace whose backup meets a fault.
type faulted struct {
	*space
	row  faultRow
	seen *witness
	// before are the namespace's objects before the fault.
	before []string
	line   *faultLine
}

// run lets a backup meet the row's fault and looks at what follows.
func (r faultRow) run(t *testing.T, i int, m *matrix) {
	t.Helper()
	began := time.Now()
	l := &faultLine{name: r.name}
	defer func() {
		l.took, l.failed = time.Since(began), t.Failed()
		m.fill(i, l)
	}()
	f := r.faulted(t, l)
	end := r.meet(f)
	f.judge(end)
	f.lookAtOnce()
	if len(l.how) == 0 {
		t.Fatal("nothing shows that the fault happened")
	}
	f.verify()
	if r.mend != nil {
		r.mend(f)
	}
	// Either the next run finds what is left, or cleanup does.
	if i%2 == 0 {
		f.cleanup()
		f.leftNothing(f.before)
		l.later = f.leftNow() + " (cleanup)"
	}
	f.next(f.before)
	if l.later == "" {
		l.later = f.leftNow() + " (next run)"
	}
	f.newestIsWhole()
	f.verify()
	l.next = "0"
}

// faulted makes the row's namespace.
func (r faultRow) faulted(t *testing.T, l *faultLine) *faulted {
	t.Helper()
	s := r.shape
	if s.CopyMethod == "" {
		s.CopyMethod = "Snapshot"
	}
	if r.storage != nil {
		s.Class = storageClass(t, r.storage)
	}
	if r.snapshots != nil {
		s.Kopia += "    volumeSnapshotClassName: " + snapshotClass(t, r.snapshots) + "\n"
	}
	f := &faulted{row: r, line: l}
	if r.live {
		f.space = newSource(t, s)
	} else {
		f.space = newSpace(t, s)
	}
	if r.given != nil {
		r.given(f)
	}
	f.rests()
	f.seen = f.watch()
	return f
}

// arguments are those of the backup that meets the fault.
func (f *faulted) arguments(more ...string) []string {
	return append([]string{"backup", "-f", f.file, "-o", "json", "--progress=plain", "--keep-job=0"}, more...)
}

// backs runs the backup that meets the fault, to its end.
func (f *faulted) backs(more ...string) ended {
	f.t.Helper()
	return f.begins(f.kubeconfig, more...).wait()
}

// begins starts the backup that meets the fault.
func (f *faulted) begins(kubeconfig string, more ...string) *running {
	f.t.Helper()
	return start(f.t, kubeconfig, f.arguments(more...)...)
}

// shows notes how the fault is known to have happened.
func (f *faulted) shows(format string, args ...any) {
	f.line.how = append(f.line.how, fmt.Sprintf(format, args...))
}

// happened fails the test unless an object of the resource was seen, since the
// fault began, in a state whose JSON the pattern matches. Events trail.
func (f *faulted) happened(resource, pattern string) {
	f.t.Helper()
	is := regexp.MustCompile(pattern)
	for began := time.Now(); time.Since(began) < 15*time.Second; time.Sleep(100 * time.Millisecond) {
		if found := f.seen.find(resource, is); found != "" {
			f.shows("%s: %s", resource, found)
			return
		}
	}
	f.t.Fatalf("the fault did not happen: no state of %s matches %s; the last is\n%s", resource, pattern, f.seen.last(resource))
}

// judge fails the test unless the command ended as the row says, and never lets a
// success pass that the repository does not bear out.
func (f *faulted) judge(end ended) {
	f.t.Helper()
	var r result.Result
	_ = json.Unmarshal([]byte(end.stdout), &r) // not every command prints one
	said := end.stdout + end.stderr
	f.line.code, f.line.message = strconv.Itoa(end.code), said
	if r.Message != "" {
		f.line.message = r.Message + lastSeen(end.stderr)
	}
	if end.code != f.row.code {
		f.t.Errorf("exit code %d, want %d\n%s", end.code, f.row.code, said)
	}
	if !regexp.MustCompile(f.row.says).MatchString(said) {
		f.t.Errorf("it does not say %s:\n%s", f.row.says, said)
	}
	if r.Kind == "Result" || f.row.says == "proved" {
		f.isTrue(end.code, r)
	}
}

// lastSeen is the line that says why, if there is one.
func lastSeen(stderr string) string {
	_, why, found := strings.Cut(stderr, "why: ")
	if !found {
		return ""
	}
	why, _, _ = strings.Cut(why, "\n")
	return "; " + why
}

// isTrue fails the test when a Result claims what is not so: a success needs the
// whole snapshot in the repository, and a code says what its Result says.
func (f *faulted) isTrue(code int, r result.Result) {
	f.t.Helper()
	success := slices.Contains([]result.Outcome{result.Succeeded, result.SucceededWithWarnings, result.Unchanged}, r.Outcome)
	if r.ExitCode != code || success != (code == 0 || code == 8) {
		f.t.Errorf("exit code %d with the outcome %s and the Result's own code %d", code, r.Outcome, r.ExitCode)
	}
	if !success {
		return
	}
	if r.Snapshot == nil || r.Snapshot.Proved == "" {
		f.t.Fatalf("a success without a proved snapshot: %+v", r)
	}
	kopiatest.Compare(f.t, f.data, f.restored(r.Snapshot.ID))
}

// lookAtOnce counts what the fault left. It may be called before the backup is
// judged, while something is still there; the first call counts.
func (f *faulted) lookAtOnce() {
	f.t.Helper()
	if f.line.atOnce != "" {
		return
	}
	left := f.left()
	f.line.atOnce = strconv.Itoa(len(left))
	if len(left) > 0 && !f.row.leaves {
		f.t.Errorf("left at once: %v", left)
	}
}

// rests makes the namespace's objects of now, once nothing of a run before trails,
// those that the fault is measured against.
func (f *faulted) rests() {
	f.t.Helper()
	f.atRest()
	f.before = f.now()
}

// now are the namespace's objects, but for the history.
func (f *faulted) now() []string {
	f.t.Helper()
	return slices.DeleteFunc(f.inventory(), func(name string) bool { return strings.HasPrefix(name, "configmap/vk-status-") })
}

// left are the objects that were not there before, and that do not go by
// themselves.
func (f *faulted) left() []string {
	f.t.Helper()
	var left []string
	f.settled(func() string {
		left = slices.DeleteFunc(f.now(), func(name string) bool { return slices.Contains(f.before, name) })
		return strings.Join(left, " ")
	}, func() bool { return !slices.ContainsFunc(left, func(name string) bool { return !trails(name) }) })
	return left
}

func (f *faulted) leftNow() string { return strconv.Itoa(len(f.left())) }

// verify fails the test unless the repository, if there is one, is sound for a
// fresh client.
func (f *faulted) verify() {
	f.t.Helper()
	if _, err := os.Stat(filepath.Join(f.repository, "kopia.repository.f")); err != nil {
		f.line.sound = "none yet"
		return
	}
	f.line.sound = "not sound"
	f.sound()
	f.line.sound = "sound"
}

// newestIsWhole restores the newest snapshot, the next run's, and compares.
func (f *faulted) newestIsWhole() {
	f.t.Helper()
	all := f.client().Snapshots(f.t)
	if len(all) == 0 || all[len(all)-1].Incomplete != "" {
		f.t.Fatalf("the newest snapshot is not whole: %+v", all)
	}
	kopiatest.Compare(f.t, f.data, f.restored(all[len(all)-1].ID))
}
