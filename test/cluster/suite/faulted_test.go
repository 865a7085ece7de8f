package suite

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// earlier is the snapshot that the source had before the fault.
	earlier earlier
	line    *faultLine
}

// run lets a backup meet the row's fault and looks at what follows.
func (r faultRow) run(t *testing.T, i int, m *matrix) {
	t.Helper()
	began := time.Now()
	l := &faultLine{name: r.name}
	defer func() {
		l.took, l.failed, l.skipped = time.Since(began), t.Failed(), t.Skipped()
		m.fill(i, l)
	}()
	f := r.faulted(t, l)
	f.judge(r.meet(f))
	f.lookAtOnce()
	if len(l.how) == 0 {
		t.Fatal("nothing shows that the fault happened")
	}
	f.verify()
	if r.mend != nil {
		r.mend(f)
	}
	f.recovers()
	f.sound()
	l.next = "0"
}

// recovers has what the fault left removed, by cleanup or by the next run, looks at
// what is told of the runs then, and fails the test unless the next run succeeds.
func (f *faulted) recovers() {
	f.t.Helper()
	tells := func() {
		f.remembersTruly(f.row.unknown)
		if f.row.told != nil {
			f.row.told(f)
		}
	}
	if f.row.cleanup {
		f.cleanup()
		f.line.later = f.leavesNothing() + " (cleanup)"
		tells()
	}
	f.succeeds()
	left := f.leavesNothing()
	if !f.row.cleanup {
		f.line.later = left + " (next run)"
		tells()
	}
}

// faulted makes the row's namespace, whose source has been backed up earlier.
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
	f.earlier = f.backedUpEarlier()
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

// isTrue fails the test when a Result claims what is not so: the repository must have
// what it names and nothing that it does not tell of, a success the whole data, and a
// code says what its Result says.
func (f *faulted) isTrue(code int, r result.Result) {
	f.t.Helper()
	success := isSuccess(r.Outcome)
	if r.ExitCode != code || success != (code == 0 || code == 8) || (r.Outcome == result.Incomplete) != (code == 4) {
		f.t.Errorf("exit code %d with the outcome %s and the Result's own code %d", code, r.Outcome, r.ExitCode)
	}
	if why := untrue(r, f.client().Snapshots(f.t)); why != "" {
		f.t.Fatalf("%s: %s: %s", r.Outcome, r.Message, why)
	}
	if success {
		kopiatest.Compare(f.t, f.data, f.restored(r.Snapshot.ID))
	}
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

// now are the namespace's objects, but for the history and, if the source asks for
// one, the cache.
func (f *faulted) now() []string {
	f.t.Helper()
	now := f.inventory()
	history, cache := f.kept("app")
	stays := []string{"configmap/" + history}
	if strings.Contains(f.row.shape.Kopia, keptCache) {
		stays = append(stays, "claim/"+cache)
		volumes, err := shared.typed.CoreV1().PersistentVolumes().List(f.t.Context(), metav1.ListOptions{})
		f.must(err)
		for _, v := range volumes.Items {
			if c := v.Spec.ClaimRef; c != nil && c.Namespace == f.name && c.Name == cache {
				stays = append(stays, "volume/"+v.Name)
			}
		}
	}
	return slices.DeleteFunc(now, func(name string) bool { return slices.Contains(stays, name) })
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

// leavesNothing fails the test unless the namespace holds what it held before the
// fault, and returns how much more it holds.
func (f *faulted) leavesNothing() string {
	f.t.Helper()
	left := f.left()
	if diff := cmp.Diff(f.before, f.now()); diff != "" {
		f.t.Errorf("namespace %s (-before +now):\n%s", f.name, diff)
	}
	return strconv.Itoa(len(left))
}

// verify fails the test unless the repository is sound for a fresh client, and what it
// held before the fault is there.
func (f *faulted) verify() {
	f.t.Helper()
	f.line.sound = "not sound"
	f.sound()
	f.line.sound = "lost"
	f.earlier.stillThere(f.space)
	f.line.sound = "sound"
}
