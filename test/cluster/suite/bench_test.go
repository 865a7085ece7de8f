package suite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Sizes and goals of the benchmark; the goals are PRODUCT's.
const (
	benchRuns     = 5
	benchFiles    = 10_000
	benchFileSize = 4 << 10
	goalRequests  = 40
)

// measured is one run.
type measured struct {
	whole, mover time.Duration
	requests     int
	// peakKiB is the command's largest resident size.
	peakKiB int64
	// phases are how long each took, in their order.
	phases []phase
}

type phase struct {
	name string
	took time.Duration
}

// TestBenchRuns prints whole runs over unchanged files by each method: wall time
// with its phases, API requests as the audit log has them, and memory. Requests
// must not grow with the data.
func TestBenchRuns(t *testing.T) {
	needBench(t)
	for _, method := range []string{"Snapshot", "Clone", "Direct"} {
		few := benchMethod(t, method, 10)
		many := benchMethod(t, method, benchFiles)
		t.Logf("%-8s %6d files: whole run %s%s, mover %s, %d requests, peak %d MiB (medians of %d; 10 files: %s, %d requests)",
			method, benchFiles, many.whole.Round(10*time.Millisecond), goalOf(method), many.mover.Round(10*time.Millisecond), many.requests, many.peakKiB>>10,
			benchRuns, few.whole.Round(10*time.Millisecond), few.requests)
		for _, p := range many.phases {
			t.Logf("           %-22s %s", p.name, p.took.Round(10*time.Millisecond))
		}
		if many.requests > goalRequests || few.requests > goalRequests {
			t.Errorf("%s: %d and %d requests, want at most %d", method, few.requests, many.requests, goalRequests)
		}
	}
}

// goalOf is PRODUCT's goal for a whole run over 10,000 unchanged files.
func goalOf(method string) string {
	return map[string]string{"Snapshot": " (goal 9s)", "Direct": " (goal 4.5s)"}[method]
}

// benchMethod returns the medians of runs over unchanged files.
func benchMethod(t *testing.T, method string, files int) measured {
	t.Helper()
	n := newSpace(t, shape{CopyMethod: method})
	content := strings.Repeat("0123456789abcde\n", benchFileSize/16)
	for i := range files {
		kopiatest.Write(t, filepath.Join(n.data, fmt.Sprintf("d%02d", i%100), fmt.Sprintf("f%05d", i)), fmt.Sprintf("%08d", i)+content[8:])
	}
	n.measure() // the first run creates the repository
	runs := make([]measured, benchRuns)
	for i := range runs {
		runs[i] = n.measure()
		t.Logf("  %s, %d files, run %d: %s, mover %s, %d requests", method, files, i+1, runs[i].whole.Round(time.Millisecond), runs[i].mover, runs[i].requests)
	}
	return measured{
		whole:    median(runs, func(m measured) time.Duration { return m.whole }),
		mover:    median(runs, func(m measured) time.Duration { return m.mover }),
		requests: median(runs, func(m measured) int { return m.requests }),
		peakKiB:  median(runs, func(m measured) int64 { return m.peakKiB }),
		phases:   medianPhases(runs),
	}
}

// measure runs one backup.
func (n *space) measure() measured {
	n.t.Helper()
	began := time.Now()
	cmd, stdout, stderr := command(n.t.Context(), n.kubeconfig, "backup", "-f", n.file, "-o", "json", "--keep-job=0", "--progress=json")
	err := cmd.Run()
	took := time.Since(began)
	var r result.Result
	if err == nil {
		err = json.Unmarshal(stdout.Bytes(), &r)
	}
	if err != nil {
		n.t.Fatalf("%v\n%s", err, stderr)
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return measured{whole: took, mover: r.EndTime.Sub(r.StartTime), requests: n.requests(began), peakKiB: usage.Maxrss, phases: n.phases(stderr.Bytes(), began.Add(took))}
}

// phases are how long each phase of a run took, by its events.
func (n *space) phases(events []byte, end time.Time) []phase {
	n.t.Helper()
	var all []phase
	var began time.Time
	for line := range bytes.Lines(events) {
		var e result.Event
		n.must(json.Unmarshal(line, &e))
		if e.Type != result.EventPhase {
			continue
		}
		if len(all) > 0 {
			all[len(all)-1].took = e.Time.Sub(began)
		}
		all, began = append(all, phase{name: e.Phase}), e.Time
	}
	if len(all) > 0 {
		all[len(all)-1].took = end.Sub(began)
	}
	return all
}

// medianPhases are the medians of the phases that all runs had.
func medianPhases(runs []measured) []phase {
	var all []phase
	for i, p := range runs[0].phases {
		if slices.ContainsFunc(runs, func(m measured) bool { return i >= len(m.phases) || m.phases[i].name != p.name }) {
			continue
		}
		all = append(all, phase{p.name, median(runs, func(m measured) time.Duration { return m.phases[i].took })})
	}
	return all
}

// requests counts what the command has sent since then, in the audit log.
func (n *space) requests(since time.Time) int {
	n.t.Helper()
	log, err := os.Open(filepath.Join(shared.dir, "audit.jsonl"))
	n.must(err)
	defer log.Close()
	seen := map[string]bool{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			AuditID                  string    `json:"auditID"`
			UserAgent                string    `json:"userAgent"`
			RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
		}
		n.must(json.Unmarshal(lines.Bytes(), &e))
		if strings.HasPrefix(e.UserAgent, "kubectl-volsync-kopia/") && !e.RequestReceivedTimestamp.Before(since) {
			seen[e.AuditID] = true
		}
	}
	n.must(lines.Err())
	return len(seen)
}

// TestBenchWrongPassword prints how long it takes until the user knows.
func TestBenchWrongPassword(t *testing.T) {
	needBench(t)
	n := newSpace(t, shape{CopyMethod: "Direct"})
	n.backup(0, "--keep-job=0")
	n.secret("wrong", map[string]string{"KOPIA_PASSWORD": "not-it", "KOPIA_REPOSITORY": "filesystem:///kopia/repository"})
	text, err := os.ReadFile(n.file)
	n.must(err)
	n.must(os.WriteFile(n.file, []byte(strings.Replace(string(text), "repository: kopia-config", "repository: wrong", 1)), 0o600))
	began := time.Now()
	r := n.backup(7, "--keep-job=0")
	t.Logf("wrong password: exit 7 after %s (goal 10s): %s", time.Since(began).Round(10*time.Millisecond), r.Message)
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
