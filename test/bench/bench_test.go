package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const password = "only-for-the-benchmark"

// bench is the machine of one benchmark.
type bench struct {
	vk, kopia, dir string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("VK_BENCH") == "" {
		t.Skip("skipped: make bench runs this")
	}
	b := &bench{kopia: kopiatest.Kopia(t), dir: t.TempDir()}
	b.vk = filepath.Join(b.dir, "kubectl-volsync_kopia")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.vk, "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return b
}

// used is what one command took.
type used struct {
	wall   time.Duration
	rss    int64 // bytes
	stdout []byte
}

func (b *bench) run(t *testing.T, env []string, args ...string) used {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append([]string{"HOME=" + b.dir, "PATH=/usr/bin:/bin", "KUBECONFIG=" + filepath.Join(b.dir, "none")}, env...)
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errText.String())
	}
	u := used{wall: time.Since(begin), stdout: out.Bytes()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.rss = r.Maxrss << 10
	}
	return u
}

func median(values []time.Duration) time.Duration {
	slices.Sort(values)
	return values[len(values)/2]
}

// say prints one row: the figure, its goal, and whether it is met.
func say(t *testing.T, what, figure, goal string, met bool) {
	t.Helper()
	verdict := "goal met"
	if !met {
		verdict = "GOAL MISSED"
	}
	t.Logf("%-58s %-28s goal %-10s %s", what, figure, goal, verdict)
}

func (b *bench) manifests(t *testing.T) (source, secret string) {
	t.Helper()
	source, secret = filepath.Join(b.dir, "source.yaml"), filepath.Join(b.dir, "secret.yaml")
	kopiatest.Write(t, source, "apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\nmetadata: {name: app, namespace: prod}\n"+
		"spec:\n  sourcePVC: app-data\n  kopia:\n    repository: vault\n    retain: {latest: 3}\n    compression: zstd\n")
	kopiatest.Write(t, secret, "apiVersion: v1\nkind: Secret\nmetadata: {name: vault, namespace: prod}\n"+
		"stringData: {KOPIA_REPOSITORY: 'filesystem:///x', KOPIA_PASSWORD: "+password+"}\n")
	return source, secret
}

// files makes n files of 4 KiB.
func files(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		kopiatest.Write(t, filepath.Join(dir, fmt.Sprintf("%03d", i/100), fmt.Sprintf("%05d", i)), strings.Repeat(fmt.Sprintf("%08d", i), 512))
	}
}

// backup runs the product with a cache of its own, or none.
func (b *bench) backup(t *testing.T, volume, repository, state string) (used, result.Result) {
	t.Helper()
	source, secret := b.manifests(t)
	u := b.run(t, nil, b.vk, "backup", "-f", source, "-f", secret, "--local", "--source-dir", volume, "--repository-dir", repository,
		"--state-dir", state, "--kopia", b.kopia, "-o", "json", "--progress=none")
	var r result.Result
	if err := json.Unmarshal(u.stdout, &r); err != nil {
		t.Fatal(err)
	}
	return u, r
}

func TestBenchProcesses(t *testing.T) {
	b := newBench(t)
	volume, repository, state := filepath.Join(b.dir, "volume"), filepath.Join(b.dir, "repository"), filepath.Join(b.dir, "state")
	files(t, volume, 10)
	if err := os.Mkdir(repository, 0o755); err != nil {
		t.Fatal(err)
	}
	_, first := b.backup(t, volume, repository, state)
	_, steady := b.backup(t, volume, repository, state)
	say(t, "kopia processes, first run on a new repository", strconv.Itoa(first.KopiaProcesses), "<= 6", first.KopiaProcesses <= 6)
	say(t, "kopia processes, steady run with proof", strconv.Itoa(steady.KopiaProcesses), "3", steady.KopiaProcesses == 3)
	if first.KopiaProcesses > 6 || steady.KopiaProcesses != 3 {
		t.Error("a process too many")
	}
}

// TestBenchWall compares a whole backup, proof included, with the two commands of
// bare kopia: connect and create, each with a cold cache, taking turns.
func TestBenchWall(t *testing.T) {
	b := newBench(t)
	const rounds, n = 5, 10_000
	volume, repository := filepath.Join(b.dir, "volume"), filepath.Join(b.dir, "repository")
	files(t, volume, n)
	if err := os.Mkdir(repository, 0o755); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(b.dir, "state")
	b.backup(t, volume, repository, state)
	bare := func(round int) time.Duration {
		client := filepath.Join(b.dir, fmt.Sprintf("client-%d", round))
		env := []string{"KOPIA_PASSWORD=" + password, "KOPIA_CHECK_FOR_UPDATES=false", "KOPIA_CONFIG_PATH=" + client + "/config", "KOPIA_LOG_DIR=" + client + "/logs", "KOPIA_CACHE_DIRECTORY=" + client + "/cache"}
		connect := b.run(t, env, b.kopia, "repository", "connect", "filesystem", "--path="+repository, "--override-username=app", "--override-hostname=prod")
		create := b.run(t, env, b.kopia, "snapshot", "create", volume, "--override-source=app@prod:/data", "--no-auto-maintenance", "--no-progress")
		return connect.wall + create.wall
	}
	bare(rounds) // the first one of each warms the disk cache
	var theirs, ours, mover []time.Duration
	for round := range rounds {
		theirs = append(theirs, bare(round))
		if err := os.RemoveAll(filepath.Join(state, "cache")); err != nil {
			t.Fatal(err)
		}
		u, r := b.backup(t, volume, repository, state)
		ours, mover = append(ours, u.wall), append(mover, r.EndTime.Sub(r.StartTime))
		if r.Snapshot == nil || r.Snapshot.Files != n || r.Snapshot.Proved != result.ProveBlobs {
			t.Fatalf("%+v", r)
		}
	}
	base := median(theirs)
	ratio := func(d time.Duration) float64 { return float64(d) / float64(base) }
	t.Logf("%-58s %s", "bare kopia, connect + snapshot create, 10,000 files", base.Round(time.Millisecond))
	m, w := median(mover), median(ours)
	say(t, "the mover, with proof of blobs", fmt.Sprintf("%s, %.2fx", m.Round(time.Millisecond), ratio(m)), "<= 1.6x", ratio(m) <= 1.6)
	t.Logf("%-58s %s, %.2fx", "the whole command, from start to exit", w.Round(time.Millisecond), ratio(w))
}

func TestBenchStart(t *testing.T) {
	b := newBench(t)
	source, _ := b.manifests(t)
	facts := filepath.Join(b.dir, "facts.yaml")
	kopiatest.Write(t, facts, "apiVersion: volsync-kopia/v1\nkind: Facts\nnamespace: {name: prod}\nclaims:\n"+
		"  - {name: app-data, storageClass: plain, accessModes: [ReadWriteOnce], capacity: 1Gi, phase: Bound}\n"+
		"storageClasses: [{name: plain, provisioner: csi.example, bindingMode: Immediate, reclaimPolicy: Delete}]\n")
	for what, args := range map[string][]string{
		"version":      {b.vk, "version"},
		"plan --facts": {b.vk, "plan", "-f", source, "--facts", facts, "--mover-image", "registry.example/mover:1"},
	} {
		var walls []time.Duration
		var rss int64
		for range 21 {
			u := b.run(t, nil, args...)
			walls, rss = append(walls, u.wall), max(rss, u.rss)
		}
		m := median(walls)
		say(t, what+", start to finish", m.Round(100*time.Microsecond).String(), "<= 50ms", m <= 50*time.Millisecond)
		say(t, what+", peak memory", fmt.Sprintf("%d MiB", rss>>20), "<= 60MiB", rss <= 60<<20)
	}
}

func TestBenchValidate(t *testing.T) {
	b := newBench(t)
	peak := map[int]int64{}
	for _, n := range []int{1000, 10_000} {
		dir := filepath.Join(b.dir, fmt.Sprintf("sources-%d", n))
		for i := range n {
			kopiatest.Write(t, filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), fmt.Sprintf("apiVersion: volsync.backube/v1alpha1\nkind: ReplicationSource\n"+
				"metadata: {name: app-%d, namespace: prod}\nspec:\n  sourcePVC: app-%d\n  trigger: {schedule: '0 2 * * *'}\n  kopia:\n    repository: vault\n"+
				"    retain: {daily: 7, weekly: 4}\n    compression: zstd\n    additionalArgs: ['--parallel=4']\n", i, i))
		}
		u := b.run(t, nil, b.vk, "validate", "-f", dir, "-o", "json")
		peak[n] = u.rss
		if n == 10_000 {
			say(t, "validate of 10,000 sources in one call", u.wall.Round(10*time.Millisecond).String(), "<= 5s", u.wall <= 5*time.Second)
		}
	}
	say(t, "validate, peak memory of 1,000 and 10,000 files", fmt.Sprintf("%d and %d MiB", peak[1000]>>20, peak[10_000]>>20), "flat",
		peak[10_000] <= peak[1000]+64<<20)
}
