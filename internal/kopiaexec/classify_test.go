package kopiaexec_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

var update = flag.Bool("update", false, "record kopia's texts anew")

// recordings is where kopia's texts are kept, a directory a version.
const recordings = "../../testdata/kopia"

// situation causes one failure of kopia.
type situation struct {
	name   string
	reason kopiaexec.Reason
	// damage is done to the repository, which holds one snapshot.
	damage func(t *testing.T, c *client)
	// command is run then; nil: policy export.
	command func(c *client) kopiaexec.Call
	asRoot  bool
}

// client drives kopia as the mover does, by a config file of its own.
type client struct {
	repo     *kopiatest.Repository
	config   kopiaexec.Config
	paths    argv.Paths
	runner   *kopiaexec.Runner
	dir      string
	snapshot string
}

func situations() []situation {
	create := func(c *client) kopiaexec.Call {
		token, err := c.config.CreateToken()
		if err != nil {
			panic(err)
		}
		return kopiaexec.Call{Command: argv.RepositoryCreate(argv.Paths{ConfigFile: c.dir + "/create.config", LogDir: c.dir}, argv.CreateOptions{}), Stdin: strings.NewReader(string(token.Reveal()))}
	}
	verify := func(c *client) kopiaexec.Call {
		return kopiaexec.Call{Command: argv.SnapshotVerify(c.paths, c.snapshot, result.ProveBlobs)}
	}
	return []situation{
		{"wrong-password", kopiaexec.ReasonWrongPassword, func(t *testing.T, c *client) { c.rewrite(t, c.repo.Dir, "other") }, nil, false},
		{"not-initialised", kopiaexec.ReasonNotInitialized, func(t *testing.T, c *client) { c.rewrite(t, t.TempDir(), "pw") }, nil, false},
		{"missing-directory", kopiaexec.ReasonStorageMissing, func(t *testing.T, c *client) { c.rewrite(t, c.dir+"/gone", "pw") }, nil, false},
		{"not-a-directory", kopiaexec.ReasonStorageMissing, func(t *testing.T, c *client) {
			kopiatest.Write(t, c.dir+"/file", "x")
			c.rewrite(t, c.dir+"/file/repository", "pw")
		}, nil, false},
		{"existing-data", kopiaexec.ReasonExistingData, func(t *testing.T, c *client) { remove(t, c.repo.Blobs(t, "kopia.")) }, create, false},
		{"read-only", kopiaexec.ReasonReadOnly, func(t *testing.T, c *client) { c.remount(t, syscall.MS_RDONLY) }, importPolicy, true},
		{"full", kopiaexec.ReasonNoSpace, func(t *testing.T, c *client) { c.fill(t) }, importPolicy, true},
		{"data-blob-lost", kopiaexec.ReasonBlobMissing, func(t *testing.T, c *client) { remove(t, c.repo.Blobs(t, "p")) }, verify, false},
		{"metadata-blob-lost", kopiaexec.ReasonBlobMissing, func(t *testing.T, c *client) { remove(t, c.repo.Blobs(t, "q")) }, nil, false},
		{"snapshot-not-there", kopiaexec.ReasonSnapshotMissing, func(_ *testing.T, c *client) { c.snapshot = "0123456789abcdef0123456789abcdef" }, verify, false},
		{"unknown-flag", kopiaexec.ReasonBadArgument, func(*testing.T, *client) {}, func(c *client) kopiaexec.Call {
			return kopiaexec.Call{Command: argv.SnapshotCreate(c.paths, argv.SnapshotOptions{Path: c.dir, Extra: []string{"--block-sise=1"}})}
		}, false},
		{"source-has-schedule", kopiaexec.ReasonScheduledSource, func(t *testing.T, c *client) {
			c.repo.Run(t, "policy", "set", "u@h:/elsewhere", "--snapshot-interval=1h")
		}, func(c *client) kopiaexec.Call {
			// With progress, after which kopia prints its error on the same line.
			return kopiaexec.Call{Command: argv.SnapshotCreate(c.paths, argv.SnapshotOptions{Path: c.dir, Source: "u@h:/elsewhere", Progress: true})}
		}, false},
		{"not-owner", kopiaexec.ReasonNotOwner, func(*testing.T, *client) {}, maintain, false},
		{"maintenance-record-damaged", kopiaexec.ReasonRecordDamaged, func(t *testing.T, c *client) {
			kopiatest.Write(t, c.record(), "x")
		}, maintenanceInfo, false},
		{"maintenance-record-undecipherable", kopiaexec.ReasonRecordDamaged, func(t *testing.T, c *client) {
			kopiatest.Write(t, c.record(), strings.Repeat("damaged", 20))
		}, maintenanceInfo, false},
		{"maintenance-record-denied", kopiaexec.ReasonPermissionDenied, func(t *testing.T, c *client) {
			kopiatest.Write(t, c.record(), "x")
			if err := os.Chmod(c.record(), 0); err != nil {
				t.Fatal(err)
			}
			c.withoutRights(t)
		}, maintenanceInfo, false},
		{"maintenance-record-unreadable", kopiaexec.ReasonRecordUnreadable, func(t *testing.T, c *client) {
			if err := os.Mkdir(c.record(), 0o755); err != nil {
				t.Fatal(err)
			}
		}, maintenanceInfo, false},
		{"clock-skew", kopiaexec.ReasonClockSkew, func(t *testing.T, c *client) { c.skew(t) }, maintain, false},
		{"target-read-only", kopiaexec.ReasonTargetReadOnly, func(t *testing.T, c *client) { c.mountTarget(t, syscall.MS_RDONLY) }, restore, true},
		{"target-full", kopiaexec.ReasonTargetFull, func(t *testing.T, c *client) { c.mountTarget(t, 0) }, restore, true},
		{"permission-denied", kopiaexec.ReasonPermissionDenied, func(t *testing.T, c *client) { c.forbid(t) }, nil, false},
		{"not-writable", kopiaexec.ReasonPermissionDenied, func(t *testing.T, c *client) { c.protect(t) }, importPolicy, false},
		{"not-writable-flush", kopiaexec.ReasonPermissionDenied, func(t *testing.T, c *client) { c.protect(t) }, func(c *client) kopiaexec.Call {
			return kopiaexec.Call{Command: argv.SnapshotCreate(c.paths, argv.SnapshotOptions{Path: c.dir + "/data"})}
		}, false},
	}
}

func maintain(c *client) kopiaexec.Call {
	return kopiaexec.Call{Command: argv.MaintenanceRun(c.paths)}
}

func maintenanceInfo(c *client) kopiaexec.Call {
	return kopiaexec.Call{Command: argv.MaintenanceInfo(c.paths)}
}

// record is the blob in which kopia keeps when it maintained the repository.
func (c *client) record() string { return c.repo.Dir + "/kopia.maintenance.f" }

// skew lets the storage's clock be an hour behind: kopia tells it from the time of
// the blob that it has just written.
func (c *client) skew(t *testing.T) {
	t.Helper()
	c.repo.Run(t, "maintenance", "set", "--owner=u@h")
	name, done := c.record(), make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case <-done:
				return
			default:
				then := time.Now().Add(-time.Hour)
				_ = os.Chtimes(name, then, then) // it is not there yet, or again
			}
		}
	}()
}

func importPolicy(c *client) kopiaexec.Call {
	return kopiaexec.Call{Command: argv.PolicyImport(c.paths), Stdin: strings.NewReader(`{"(global)":{"retention":{"keepLatest":7}}}`)}
}

func restore(c *client) kopiaexec.Call {
	return kopiaexec.Call{Command: argv.SnapshotRestore(c.paths, argv.RestoreOptions{Source: c.snapshot, Target: c.target(), Extra: []string{"--write-files-atomically"}})}
}

// Each text of the table is what real kopia prints, on every version.
func TestDiagnoseOnRealKopia(t *testing.T) {
	t.Parallel()
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for _, s := range situations() {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				if s.asRoot {
					kopiatest.NeedRoot(t)
				}
				c := newClient(t, kopia, s.asRoot)
				s.damage(t, c)
				call := kopiaexec.Call{Command: argv.PolicyExport(c.paths)}
				if s.command != nil {
					call = s.command(c)
				}
				out, err := c.runner.Run(t.Context(), call)
				// Kopia may look at the blob's time before it is set back.
				for tries := 0; s.reason == kopiaexec.ReasonClockSkew && err == nil && out.OK() && tries < 20; tries++ {
					out, err = c.runner.Run(t.Context(), call)
				}
				if err != nil || out.OK() {
					t.Fatalf("kopia ended with %d, %v\n%s", out.ExitCode, err, strings.Join(out.Log, "\n"))
				}
				if got := kopiaexec.Diagnose(out.Log); got.Reason != s.reason {
					t.Errorf("diagnosed %s, want %s:\n%s", got.Reason, s.reason, strings.Join(out.Log, "\n"))
				}
				if *update {
					c.writeDown(t, s, call, out)
				}
			})
		}
	})
}

// writeDown writes kopia's text down, with the command that made it.
func (c *client) writeDown(t *testing.T, s situation, call kopiaexec.Call, out kopiaexec.Output) {
	t.Helper()
	version, err := c.runner.Version(t.Context(), filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	text := "# kopia " + strings.Join(call.Args, " ") + "\n# reason: " + string(s.reason) + "\n" + strings.Join(out.Log, "\n") + "\n"
	for _, dir := range []string{c.repo.Dir, c.dir} {
		text = strings.ReplaceAll(text, dir, "/"+filepath.Base(dir))
	}
	text = strings.ReplaceAll(text, os.TempDir()+"/", "/")
	kopiatest.Write(t, filepath.Join(recordings, version, s.name+".txt"), text)
}

// The recordings keep the table honest where there is no kopia to ask.
func TestDiagnoseRecordings(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(recordings, "*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]int{}
	for _, file := range files {
		recorded[strings.TrimSuffix(filepath.Base(file), ".txt")]++
	}
	for _, s := range situations() {
		if recorded[s.name] < len(argv.Versions()) {
			t.Errorf("%s is recorded for %d versions of %d: run with VK_KOPIAS and -update", s.name, recorded[s.name], len(argv.Versions()))
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		want := strings.TrimPrefix(lines[1], "# reason: ")
		if got := kopiaexec.Diagnose(lines[2:]); string(got.Reason) != want || got.Text == "" {
			t.Errorf("%s: diagnosed %+v, want %s", file, got, want)
		}
	}
}

// Neither the source's files that cannot be read nor kopia's own records, which
// somebody who may only read the repository cannot write, are its storage.
func TestDiagnoseDoesNotBlameTheStorage(t *testing.T) {
	t.Parallel()
	const records = "unable to write diagnostics blob: unable to complete PutBlobInPath:/r/_/log/_1.f despite 10 retries: cannot create temporary file: open /r/_/log/_1.f.tmp: permission denied"
	for _, log := range [][]string{
		{`! Error when processing "b": unable to open file: unable to open local file: open /data/b: permission denied`, "upload error: b"},
		{records, "error restoring: restore error: open /target/x: permission denied"},
		{"error restoring: restore error: open /target/x: permission denied", records},
	} {
		if got := kopiaexec.Diagnose(log); got.Reason != kopiaexec.ReasonKopia || strings.Contains(got.Text, "diagnostics") {
			t.Errorf("diagnosed %+v:\n%s", got, strings.Join(log, "\n"))
		}
	}
	if got := kopiaexec.Diagnose([]string{records}); got.Reason != kopiaexec.ReasonPermissionDenied {
		t.Errorf("diagnosed %+v", got)
	}
}

func TestDiagnoseOfTheUnknownKeepsKopiasWord(t *testing.T) {
	t.Parallel()
	if got := kopiaexec.Diagnose([]string{"first", "something new"}); got.Reason != kopiaexec.ReasonKopia || got.Text != "something new" {
		t.Errorf("%+v", got)
	}
	if got := kopiaexec.Diagnose(nil); got.Reason != kopiaexec.ReasonKopia || got.Text == "" {
		t.Errorf("%+v", got)
	}
}

func newClient(t *testing.T, kopia string, mounted bool) *client {
	t.Helper()
	c := &client{dir: t.TempDir()}
	env, err := kopiaexec.Environment(c.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	c.runner = &kopiaexec.Runner{Kopia: kopia, Env: env, Grace: 10 * time.Second}
	c.repo = kopiatest.NewRepository(t, kopia, filepath.Join(c.dir, "repository"), "pw")
	if mounted {
		c.mount(t)
	}
	c.repo.Create(t)
	kopiatest.Tree(t, c.dir+"/data")
	c.repo.Run(t, "snapshot", "create", c.dir+"/data")
	c.snapshot = c.repo.Snapshots(t)[0].ID
	c.rewrite(t, c.repo.Dir, "pw")
	return c
}

// rewrite writes the config for a place and a password.
func (c *client) rewrite(t *testing.T, dir, password string) {
	t.Helper()
	c.config = kopiaexec.Config{
		Storage:  secret.New([]byte(`{"type":"filesystem","config":{"path":"` + dir + `"}}`)),
		Password: secret.New([]byte(password)), Identity: result.Identity{Username: "u", Hostname: "h"}, CacheDir: t.TempDir(),
	}
	var err error
	if c.paths, err = c.config.Write(c.dir); err != nil {
		t.Fatal(err)
	}
}

func (c *client) mount(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(c.repo.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", c.repo.Dir, "tmpfs", 0, "size=1m"); err != nil {
		kopiatest.Unable(t, "mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(c.repo.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func (c *client) target() string { return c.dir + "/target" }

// mountTarget makes a target that has room for next to nothing.
func (c *client) mountTarget(t *testing.T, flags uintptr) {
	t.Helper()
	if err := os.Mkdir(c.target(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", c.target(), "tmpfs", flags, "size=4k"); err != nil {
		kopiatest.Unable(t, "mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(c.target(), syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func (c *client) remount(t *testing.T, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", c.repo.Dir, "tmpfs", flags|syscall.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
}

func (c *client) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(c.repo.Dir + "/ballast")
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1024); err == nil; {
		_, err = f.Write(block)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// forbid makes the repository unreadable; root reads it all the same.
func (c *client) forbid(t *testing.T) {
	t.Helper()
	if err := os.Chmod(c.repo.Dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(c.repo.Dir, 0o755) })
	c.withoutRights(t)
}

// protect makes the repository one that can only be read.
func (c *client) protect(t *testing.T) {
	t.Helper()
	for mode, when := range map[string]func(func()){"a-w": func(do func()) { do() }, "u+w": t.Cleanup} {
		when(func() {
			if out, err := exec.Command("chmod", "-R", mode, c.repo.Dir).CombinedOutput(); err != nil {
				t.Errorf("chmod: %v\n%s", err, out)
			}
		})
	}
	c.withoutRights(t)
}

// withoutRights takes from kopia what root may do that others may not.
func (c *client) withoutRights(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	// Root reads everything unless it gives that right up.
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		kopiatest.Unable(t, "root needs setpriv to give up its rights")
	}
	shim := filepath.Join(c.dir, "kopia-without-rights")
	text := "#!/bin/sh\nexec " + setpriv + " --bounding-set=-all --inh-caps=-all '" + c.runner.Kopia + "' \"$@\"\n"
	kopiatest.Script(t, shim, text)
	c.runner.Kopia = shim
}

func remove(t *testing.T, lists ...[]string) {
	t.Helper()
	for _, list := range lists {
		for _, file := range list {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}
