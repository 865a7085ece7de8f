package argv_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// driver runs built vectors on a real kopia.
type driver struct {
	program, home string
	paths         argv.Paths
}

func newDriver(t *testing.T, program string) driver {
	t.Helper()
	home := t.TempDir()
	return driver{program, home, argv.Paths{ConfigFile: filepath.Join(home, "repository.config"), LogDir: filepath.Join(home, "logs")}}
}

func (d driver) try(t *testing.T, stdin string, c argv.Command) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), d.program, c.Args...)
	cmd.Dir, cmd.Stdin = d.home, strings.NewReader(stdin)
	cmd.Env = []string{"HOME=" + d.home, "KOPIA_PASSWORD=correct horse", "KOPIA_CHECK_FOR_UPDATES=false"}
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	return out.String(), log.String(), err
}

func (d driver) run(t *testing.T, stdin string, c argv.Command) string {
	t.Helper()
	stdout, stderr, err := d.try(t, stdin, c)
	if err != nil {
		t.Fatalf("kopia %s: %v\n%s", strings.Join(c.Args, " "), err, stderr)
	}
	return stdout
}

func (d driver) table(t *testing.T) *argv.Table {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), d.program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return argv.TableFor(strings.Fields(string(out))[0])
}

// create makes a repository with every option, and returns its driver.
func (d driver) create(t *testing.T) {
	t.Helper()
	storage := filepath.Join(d.home, "storage")
	if err := os.Mkdir(storage, 0o700); err != nil {
		t.Fatal(err)
	}
	token, err := json.Marshal(map[string]any{"version": "1", "storage": map[string]any{"type": "filesystem", "config": map[string]any{"path": storage}}})
	if err != nil {
		t.Fatal(err)
	}
	d.run(t, base64.RawURLEncoding.EncodeToString(token), argv.RepositoryCreate(d.paths, argv.CreateOptions{
		Hash: "BLAKE3-256", Encryption: "CHACHA20-POLY1305-HMAC-SHA256", Splitter: "FIXED-1M", ECC: "REED-SOLOMON-CRC32", ECCOverheadPercent: 2,
		CacheDirectory: filepath.Join(d.home, "cache"),
	}))
}

// TestVectorsOnKopia runs every vector that is built, once, for what it is for.
func TestVectorsOnKopia(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, program string) {
		d := newDriver(t, program)
		d.create(t)
		if _, err := os.Stat(d.paths.ConfigFile + ".kopia-password"); err == nil {
			t.Error("the password was written beside the configuration")
		}
		d.run(t, `{"(global)":{"compression":{"compressorName":"zstd"}}}`, argv.PolicyImport(d.paths))
		if out := d.run(t, "", argv.PolicyExport(d.paths)); !strings.Contains(out, `"compressorName":"zstd"`) && !strings.Contains(out, `"compressorName": "zstd"`) {
			t.Errorf("policy export printed %s", out)
		}

		on := true
		d.run(t, "", argv.MaintenanceSet(d.paths, argv.MaintenanceOptions{QuickInterval: 2 * time.Hour, FullInterval: 48 * time.Hour, QuickEnabled: &on}))
		d.run(t, "", argv.MaintenanceRun(d.paths))
		d.run(t, "", argv.MaintenanceOwner(d.paths, "u@h"))
		if out := d.run(t, "", argv.MaintenanceInfo(d.paths)); !strings.Contains(out, `"owner":"u@h"`) || !strings.Contains(out, `"snapshot-gc":[`) {
			t.Errorf("maintenance info printed %s", out)
		}

		data := filepath.Join(d.home, "data")
		kopiatest.Write(t, filepath.Join(data, "file"), "content")
		description := "|VOLSYNC_ARG_SEP| \"a\"\nb"
		created := d.run(t, "", argv.SnapshotCreate(d.paths, argv.SnapshotOptions{
			Path: data, Source: "app@prod:/data", Tags: map[string]string{"volsync-kopia-run": "x7k2q"},
			Extra: argv.Classify([]string{"--description=" + description, "--tags=env:STAGING", "--fail-fast=true", "--parallel", "2"}, d.table(t), argv.Options{}).Pass,
		}))
		var manifest struct {
			ID          string
			Description string
			Tags        map[string]string
			Source      struct{ Host, UserName, Path string }
		}
		if err := json.Unmarshal([]byte(created), &manifest); err != nil {
			t.Fatalf("%v: %s", err, created)
		}
		if manifest.Description != description || manifest.Tags["tag:env"] != "STAGING" || manifest.Tags["tag:volsync-kopia-run"] != "x7k2q" || manifest.Source.Path != "/data" {
			t.Errorf("recorded %+v", manifest)
		}
		for _, proof := range []result.Proof{result.ProveBlobs, result.ProveContent} {
			d.run(t, "", argv.SnapshotVerify(d.paths, manifest.ID, proof))
		}
		for _, source := range []string{"", "app@prod:/data"} {
			if out := d.run(t, "", argv.SnapshotList(d.paths, source)); !strings.Contains(out, manifest.ID) {
				t.Errorf("list of %q printed %s", source, out)
			}
		}
		target := filepath.Join(d.home, "target")
		d.run(t, "", argv.SnapshotRestore(d.paths, argv.RestoreOptions{Source: manifest.ID, Target: target, SkipOwners: true, Progress: true, Extra: []string{"--skip-owners", "--no-progress"}}))
		if got, err := os.ReadFile(filepath.Join(target, "file")); err != nil || string(got) != "content" {
			t.Errorf("restored %q, %v", got, err)
		}
	})
}

// TestKopiaAcceptsWhatIsPassed gives each flag that may be passed to the real
// parser. Without a repository the command ends right after it.
func TestKopiaAcceptsWhatIsPassed(t *testing.T) {
	t.Parallel()
	// Two groups each, for a flag and its negation exclude each other.
	backup := [][]string{
		{
			"--parallel", "4", "--no-progress", "--progress-update-interval=1s", "--adaptive-estimation-threshold=10", "--checkpoint-interval=10m",
			"--description=a b\nc", "--fail-fast", "--flush-per-source", "--force-disable-actions", "--force-hash=12.5", "--log-dir-detail=3",
			"--log-entry-detail=3", "--pin=a", "--pin=b", "--progress-estimation-type=adaptive", "--no-send-snapshot-report", "--tags=a:b", "--tags=c:d",
			"--upload-limit-mb=100",
		},
		{"--progress=true", "--fail-fast=false"},
	}
	restore := [][]string{
		{
			"--consistent-attributes", "--ignore-errors", "--no-ignore-permission-errors", "--no-overwrite-directories", "--no-overwrite-files",
			"--no-overwrite-symlinks", "--parallel=2", "--shallow=1", "--shallow-minsize=10", "--skip-existing", "--skip-owners",
			"--skip-permissions", "--skip-times", "--write-files-atomically", "--write-sparse-files", "--no-progress",
		},
		{"--progress", "--no-skip-owners"},
	}
	kopiatest.Each(t, func(t *testing.T, program string) {
		d := newDriver(t, program)
		table := d.table(t)
		for _, args := range backup {
			pass := d.classify(t, args, table, result.OperationBackup)
			d.parses(t, argv.SnapshotCreate(d.paths, argv.SnapshotOptions{Path: d.home, Extra: pass, Progress: true}))
		}
		for _, args := range restore {
			pass := d.classify(t, args, table, result.OperationRestore)
			d.parses(t, argv.SnapshotRestore(d.paths, argv.RestoreOptions{Source: "k1", Target: d.home, SkipOwners: true, Extra: pass}))
		}
	})
}

func (d driver) classify(t *testing.T, args []string, table *argv.Table, op result.Operation) []string {
	t.Helper()
	c := argv.Classify(args, table, argv.Options{Operation: op})
	if c.Problems.HasErrors() || len(c.Pass) == 0 {
		t.Fatalf("%q: %+v", args, c.Problems)
	}
	return c.Pass
}

func (d driver) parses(t *testing.T, c argv.Command) {
	t.Helper()
	_, stderr, err := d.try(t, "", c)
	if err == nil || !strings.Contains(stderr, "repository is not connected") {
		t.Errorf("kopia %s: %v\n%s", strings.Join(c.Args, " "), err, stderr)
	}
}

// TestKopiaRefusesARepeatedFlag is why the classification does so first.
func TestKopiaRefusesARepeatedFlag(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, program string) {
		d := newDriver(t, program)
		_, stderr, err := d.try(t, "", argv.SnapshotCreate(d.paths, argv.SnapshotOptions{Path: d.home, Extra: []string{"--parallel=1", "--parallel=1"}}))
		if err == nil || !strings.Contains(stderr, "cannot be repeated") {
			t.Errorf("%v: %s", err, stderr)
		}
	})
}
