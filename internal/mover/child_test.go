package mover_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/mover"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// nobody is the user that a mover without rights runs as.
const nobody = 65534

// TestMain lets the test binary be the mover itself, so that a test can run it
// as another user.
func TestMain(m *testing.M) {
	task := os.Getenv("VK_TEST_TASK")
	if task == "" {
		moreAtOnce()
		os.Exit(m.Run())
	}
	data, err := os.ReadFile(task)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	decoded, err := result.DecodeTask(data)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	res := mover.Run(context.Background(), *decoded, mover.Options{
		Stdout: os.Stdout, TerminationLog: os.Getenv("VK_TEST_TERMINATION"), Clock: time.Now,
	})
	os.Exit(res.ExitCode)
}

// moreAtOnce runs twice as many tests at a time as there are processors, unless
// -parallel says otherwise: they wait for disks, sleeps and kopia's retries.
func moreAtOnce() {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if asked {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
}

// runAs runs the mover as a process of another user.
func (w *world) runAs(t *testing.T, uid uint32) outcome {
	t.Helper()
	kopiatest.NeedRoot(t)
	w.giveTo(t, int(uid))
	w.task.Kopia = kopiatest.PublicCopy(t, w.dir, w.kopia)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(w.task)
	if err != nil {
		t.Fatal(err)
	}
	taskFile := filepath.Join(w.dir, "task.json")
	if err := os.WriteFile(taskFile, data, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), kopiatest.PublicCopy(t, w.dir, self))
	cmd.Env = []string{"VK_TEST_TASK=" + taskFile, "VK_TEST_TERMINATION=" + w.options.TerminationLog, "PATH=/usr/bin:/bin"}
	cmd.Dir = w.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("start the mover: %v", err)
	}
	message, err := os.ReadFile(w.options.TerminationLog)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	res, err := result.Decode(message)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code := cmd.ProcessState.ExitCode(); code != res.ExitCode {
		t.Errorf("the mover ended with %d, its result says %d", code, res.ExitCode)
	}
	o := outcome{*res, string(out)}
	w.check(t, o)
	return o
}

// giveTo makes everything but the data the user's own.
func (w *world) giveTo(t *testing.T, uid int) {
	t.Helper()
	for _, dir := range []string{w.task.WorkDir, w.task.CacheDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(w.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == w.data || strings.HasPrefix(path, w.data+"/") {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// shim puts a shell script in kopia's place. In it $KOPIA is the real one, and
// $DIR a directory for its notes.
func (w *world) shim(t *testing.T, script string) {
	t.Helper()
	path := filepath.Join(w.dir, "kopia-shim")
	text := fmt.Sprintf("#!/bin/sh\nKOPIA='%s'\nDIR='%s'\nREPO='%s'\n%s\nexec \"$KOPIA\" \"$@\"\n", w.kopia, w.dir, w.repo.Dir, script)
	kopiatest.Script(t, path, text)
	w.task.Kopia = path
	version, ok := kopiaexec.BuiltVersion(w.kopia)
	if !ok {
		t.Fatalf("%s has no build information that tells its version", w.kopia)
	}
	w.options.KopiaVersion = version
}
