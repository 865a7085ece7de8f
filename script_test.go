package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// program is the name of the real binary in scripts.
const program = "kubectl-volsync_kopia"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){program: main})
}

// TestScript runs every story of testdata/script on the real binary.
func TestScript(t *testing.T) {
	t.Parallel()
	kopia := kopiaForScripts(t)
	testscript.RunT(watched{t}, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Condition: func(cond string) (bool, error) {
			if cond == "kopia" {
				return kopia != "", nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("KOPIA", kopia)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".state"))
			env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "no-kubeconfig"))
			return checkPasswords(env.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "unchanged": unchanged, "big": big, "same": same, "events": events},
	})
}

// secretText is what the password of every Secret in a script starts with.
const secretText = "pw-in-a-test"

// passwords finds those of a script's Secrets.
var passwords = regexp.MustCompile(`KOPIA_PASSWORD: *([^ ,}]+)`)

// checkPasswords fails when a script has a Secret with a password that watched would
// not find.
func checkPasswords(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, found := range passwords.FindAllSubmatch(content, -1) {
			if !bytes.HasPrefix(found[1], []byte(secretText)) {
				return fmt.Errorf("%s: the password %q must start with %s", path, found[1], secretText)
			}
		}
		return err
	})
}

// watched is the T of a script that fails when the program shows the secret, in
// whatever step of whatever script.
type watched struct{ *testing.T }

// Run implements testscript.T.
func (w watched) Run(name string, f func(testscript.T)) {
	w.T.Run(name, func(t *testing.T) { f(watched{t}) })
}

// Verbose implements testscript.T: only a log with everything in it holds what was
// printed in steps that passed.
func (watched) Verbose() bool { return true }

// Log implements testscript.T. It is given the whole log at the end: each command
// behind a ">", and what it printed.
func (w watched) Log(args ...any) {
	w.Helper()
	log := fmt.Sprint(args...)
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "> ") && showsSecret(line) {
			w.Errorf("the secret was printed: %s", line)
		}
	}
	if at := strings.LastIndex(log, "\n# "); at >= 0 && !testing.Verbose() {
		log = log[at+1:] // the part that has failed, as testscript itself cuts it
	}
	w.T.Log(log)
}

// showsSecret reports whether a line has the secret, in any of its forms.
func showsSecret(line string) bool {
	return slices.ContainsFunc(kopiatest.SecretForms(secretText), func(form string) bool { return strings.Contains(line, form) })
}

// kopiaForScripts returns the kopia that the Makefile names, or "" when there is
// none and none is required.
func kopiaForScripts(t *testing.T) string {
	t.Helper()
	path := os.Getenv("VK_KOPIA")
	if path == "" {
		path = "bin/kopia"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if strings.Contains(os.Getenv("VK_REQUIRE"), "kopia") {
			t.Fatalf("kopia is required: %v", err)
		}
		t.Logf("stories with kopia are skipped: %v; run make kopia", err)
		return ""
	}
	return path
}

// exits checks an exact exit code: exits CODE PROGRAM [ARGUMENT...].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// unchanged remembers what a directory holds, and at the second call fails when
// that has changed: unchanged DIRECTORY.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unchanged directory")
	}
	var listing strings.Builder
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		listing.WriteString(path + " " + strconv.FormatInt(info.Size(), 10) + "\n")
		return nil
	})
	ts.Check(err)
	name := "UNCHANGED_" + args[0]
	before := ts.Getenv(name)
	if before == "" {
		ts.Setenv(name, listing.String())
		return
	}
	if before != listing.String() {
		ts.Fatalf("%s has changed:\n%s\nwas:\n%s", args[0], listing.String(), before)
	}
}

// big writes a ConfigMap with a policy file of 2 MiB: big FILE.
func big(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: big file")
	}
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: policies, namespace: prod}\ndata:\n  global-policy.json: |\n    {\"files\": {\"ignore\": [\n"
	content := head + strings.Repeat("      \"a-pattern-to-ignore\",\n", 2<<20/28) + "      \"x\"]}}\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

// events fails unless every line of a file is an Event, the last one with a Result
// of the exit code: events FILE CODE.
func events(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: events file code")
	}
	code, err := strconv.Atoi(args[1])
	ts.Check(err)
	var last result.Event
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
		decoder.DisallowUnknownFields()
		last = result.Event{}
		if err := decoder.Decode(&last); err != nil || last.Kind != result.KindEvent || last.Type == "" || last.Time.IsZero() {
			ts.Fatalf("no Event (%v): %s", err, line)
		}
	}
	if last.Type != result.EventResult || last.Result == nil || last.Result.ExitCode != code {
		ts.Fatalf("the last Event has no Result with exit code %d: %+v", code, last)
	}
}

// runID and times are what two plans of the same inputs differ in.
var runID = regexp.MustCompile(`20\d{6}-\d{4}-[a-z0-9]{5}|-[a-z0-9]{5}\b|20\d\d-\d\d-\d\dT[0-9:.]+Z`)

// same compares two files without run ids and times: same FILE FILE.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same file file")
	}
	a := runID.ReplaceAllString(ts.ReadFile(args[0]), "RUN")
	b := runID.ReplaceAllString(ts.ReadFile(args[1]), "RUN")
	if a != b {
		ts.Fatalf("%s and %s differ:\n%s\n---\n%s", args[0], args[1], a, b)
	}
}
