package suite

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Sizes and goals of the benchmark; the goals are PRODUCT's.
const (
	benchRuns     = 5
	benchFiles    = 10_000
	benchFewFiles = 10
	benchFileSize = 4 << 10
	goalRequests  = 40
)

// goalOf is PRODUCT's goal for a whole run over 10,000 unchanged files; 0: it has
// none.
func goalOf(method string) time.Duration {
	return map[string]time.Duration{"Snapshot": 9 * time.Second, "Direct": 4500 * time.Millisecond}[method]
}

// measured is one run.
type measured struct {
	whole, mover time.Duration
	requests     requests
	// peakKiB is the command's largest resident size.
	peakKiB int64
	// phases are how long each took, in their order.
	phases []phase
}

// TestBenchRuns prints whole runs over unchanged files by each method: wall time
// with its phases, API requests as the audit log has them, and memory. No time is
// judged but by what is printed; requests must stay within their goal and not grow
// with the data.
func TestBenchRuns(t *testing.T) {
	needBench(t)
	for _, method := range []string{"Snapshot", "Clone", "Direct"} {
		t.Run(method, func(t *testing.T) { benchRun(t, method) })
	}
}

func benchRun(t *testing.T, method string) {
	t.Helper()
	few := benchMethod(t, method, benchFewFiles)
	many := benchMethod(t, method, benchFiles)
	t.Logf("%s, %d files unchanged, medians of %d:", method, benchFiles, benchRuns)
	tellTime(t, "whole run", median(many, func(m measured) time.Duration { return m.whole }), goalOf(method))
	tellTime(t, "its mover", median(many, func(m measured) time.Duration { return m.mover }), 0)
	tellTime(t, fmt.Sprintf("whole run, %d files", benchFewFiles), median(few, func(m measured) time.Duration { return m.whole }), 0)
	tell(t, "peak memory", fmt.Sprintf("%d MiB", median(many, func(m measured) int64 { return m.peakKiB })>>10), "", true)
	judgeRequests(t, few, many)
	for _, p := range medianPhases(t, many) {
		tellTime(t, "  "+p.name, p.took, 0)
	}
}

// judgeRequests prints how many requests the runs took, and fails the test when one
// took too many, or the many files others than the few.
func judgeRequests(t *testing.T, few, many []measured) {
	t.Helper()
	most := 0
	for _, m := range slices.Concat(few, many) {
		most = max(most, m.requests.total())
	}
	tell(t, fmt.Sprintf("requests, most of %d runs", len(few)+len(many)), fmt.Sprint(most), fmt.Sprint(goalRequests), most <= goalRequests)
	if most > goalRequests {
		t.Errorf("a run took %d requests, want at most %d", most, goalRequests)
	}
	if diff := gocmp.Diff(steady(few), steady(many)); diff != "" {
		t.Errorf("requests depend on the data, medians of %d runs (-%d files +%d files):\n%s", benchRuns, benchFewFiles, benchFiles, diff)
	}
}

// steady are the medians of the runs' requests by name, without the renewals of the
// Lease, whose number depends on the time.
func steady(runs []measured) requests {
	medians := requests{}
	for _, m := range runs {
		for name := range m.requests {
			times := median(runs, func(m measured) int { return m.requests.withoutRenewals()[name] })
			if times > 0 { // a few look once more at a Lease that was renewed beside them
				medians[name] = times
			}
		}
	}
	return medians
}

// benchMethod measures runs over unchanged files.
func benchMethod(t *testing.T, method string, files int) []measured {
	t.Helper()
	n := newSpace(t, shape{CopyMethod: method})
	content := strings.Repeat("0123456789abcde\n", benchFileSize/16)
	for i := len(filesOf(t, n.data)); i < files; i++ {
		kopiatest.Write(t, filepath.Join(n.data, fmt.Sprintf("d%02d", i%100), fmt.Sprintf("f%05d", i)), fmt.Sprintf("%08d", i)+content[8:])
	}
	n.measure(files) // the first run creates the repository
	runs := make([]measured, benchRuns)
	for i := range runs {
		runs[i] = n.measure(files)
		t.Logf("  %s, %d files, run %d: %s, mover %s, %d requests, %d of them renewals of the Lease, peak %d MiB", method, files, i+1,
			runs[i].whole.Round(time.Millisecond), runs[i].mover, runs[i].requests.total(),
			runs[i].requests.total()-runs[i].requests.withoutRenewals().total(), runs[i].peakKiB>>10)
	}
	return runs
}

// measure runs one backup, and fails the test unless it has done the whole work.
func (n *space) measure(files int) measured {
	n.t.Helper()
	began := time.Now()
	u := kopiatest.Measure(n.t, environment(n.kubeconfig), shared.command, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--progress=json")
	ended := time.Now()
	var r result.Result
	if err := json.Unmarshal(u.Stdout, &r); err != nil || u.Code != 0 {
		n.t.Fatalf("exit code %d, %v\n%s%s", u.Code, err, u.Stdout, u.Stderr)
	}
	if r.Outcome != result.Succeeded || !r.Snapshot.Whole() || r.Snapshot.Proved != result.ProveBlobs || r.Snapshot.Files != int64(files) {
		n.t.Fatalf("this is no backup of %d files with its proof: %+v, snapshot %+v", files, r, r.Snapshot)
	}
	if !u.Measured() {
		n.t.Fatalf("the command's peak of %d KiB may be that of its launcher, which is %d KiB", u.RSS>>10, u.Floor>>10)
	}
	return measured{
		whole: u.Wall, mover: r.EndTime.Sub(r.StartTime), requests: n.requests(began), peakKiB: u.RSS >> 10,
		phases: n.phases(u.Stderr, ended),
	}
}

// TestBenchWrongPassword prints how long it takes until the user knows.
func TestBenchWrongPassword(t *testing.T) {
	needBench(t)
	for _, method := range []string{"Snapshot", "Direct"} {
		n := newSpace(t, shape{CopyMethod: method})
		n.backup(0, "--keep-job=0")
		n.secretIs("KOPIA_PASSWORD", "not-it")
		var runs []measured
		for range benchRuns {
			began := time.Now()
			r := n.backup(7, "--keep-job=0")
			runs = append(runs, measured{whole: time.Since(began)})
			if r.Outcome != result.Failed || r.Reason != "WrongPassword" {
				t.Fatalf("%+v", r)
			}
		}
		tellTime(t, "wrong password, "+method, median(runs, func(m measured) time.Duration { return m.whole }), passwordKnown)
	}
}

// tellTime prints a time beside its goal; 0: it has none.
func tellTime(t *testing.T, what string, took, goal time.Duration) {
	t.Helper()
	text := ""
	if goal > 0 {
		text = goal.String()
	}
	tell(t, what, took.Round(10*time.Millisecond).String(), text, took <= goal)
}

// tell prints a figure, its goal, and whether it is met.
func tell(t *testing.T, what, figure, goal string, met bool) {
	t.Helper()
	t.Logf("  %-34s %-10s %s", what, figure, verdictOf(goal, met))
}

// verdictOf is what is said of a goal; "": there is none.
func verdictOf(goal string, met bool) string {
	switch {
	case goal == "":
		return "no goal"
	case met:
		return "goal " + goal + ", met"
	}
	return "goal " + goal + ", MISSED"
}

func needBench(t *testing.T) {
	t.Helper()
	if os.Getenv("VK_BENCH") == "" {
		t.Skip("measures; `make bench-cluster` runs it")
	}
}

func median[T int | int64 | time.Duration](runs []measured, of func(measured) T) T {
	values := make([]T, len(runs))
	for i, r := range runs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
