package mover_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// What kopia is started with can be read by every process of the machine.
func TestNoArgumentOrVariableHoldsTheSecret(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t, kopiatest.Kopia(t))
	w.shim(t, `{ echo "$*"; tr '\0' '\n' < /proc/$$/environ; cat /proc/$$/cmdline; } >> "$DIR/seen"`)
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	seen, err := os.ReadFile(w.dir + "/seen")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{canary, "Y2FuYXJ5"} {
		if strings.Contains(string(seen), form) {
			t.Errorf("kopia was started with %q:\n%s", form, seen)
		}
	}
	var variables []string
	for line := range strings.SplitSeq(string(seen), "\n") {
		if name, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "-") && !strings.Contains(name, " ") && !slices.Contains(variables, name) {
			variables = append(variables, name)
		}
	}
	for _, name := range []string{"KOPIA_PASSWORD", "KUBERNETES_SERVICE_HOST", "USER"} {
		if slices.Contains(variables, name) {
			t.Errorf("kopia's environment has %s: %v", name, variables)
		}
	}
	for _, file := range []string{"kopia.config", "kopia.config.kopia-password"} {
		info, err := os.Stat(filepath.Join(w.task.WorkDir, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.task.WorkDir, "create")); err == nil {
		t.Error("the config of the creation was left behind")
	}
}

// Every process of the machine, looked at again and again while a repository is
// created, backed up to, restored from and maintained, and while policies and the maintenance
// schedule are written.
func TestNoProcessEverHoldsTheSecret(t *testing.T) {
	t.Parallel()
	const password = "only-in-this-test-8c1d"
	w := newBareWorld(t, kopiatest.Kopia(t))
	w.secret(t, "KOPIA_PASSWORD", password)
	// Each kopia waits until it has been looked at, however short its work is.
	w.shim(t, `n=0; until [ -e "$DIR/seen-$$" ] || [ $n -ge 1000 ]; do sleep 0.02; n=$((n+1)); done`)
	stop, seen := make(chan struct{}), make(chan string, 1)
	go func() { seen <- watchProcesses(t, w.dir, password, stop) }()
	w.task.Policy.Inline = []result.PolicyLayer{{From: "spec.kopia.retain", Policy: []byte(`{"retention":{"keepDaily":9}}`)}}
	w.task.Policy.Structured = []byte(`{"maintenance":{"fullCycle":{"interval":"48h"}}}`)
	w.run(t).want(t, result.Succeeded, 0, "")
	w.task.Operation, w.task.Restore = result.OperationRestore, &result.RestoreTask{TargetDir: t.TempDir()}
	w.run(t).want(t, result.Succeeded, 0, "")
	maintained(w).run(t).want(t, result.Succeeded, 0, "")
	close(stop)
	commands := <-seen
	for _, command := range []string{
		"repository create", "policy export", "policy import", "maintenance set", "snapshot create", "snapshot verify", "snapshot list", "snapshot restore",
		"maintenance info", "maintenance run",
	} {
		if !strings.Contains(commands, command) {
			t.Errorf("no sample of kopia %s was taken", command)
		}
	}
}

// watchProcesses looks for the secret in the arguments and variables of all
// processes until stop. It returns the arguments of those that name dir, and
// leaves a file seen-PID there for each.
func watchProcesses(t *testing.T, dir, secret string, stop <-chan struct{}) string {
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))}
	var commands strings.Builder
	for {
		select {
		case <-stop:
			return commands.String()
		case <-time.After(15 * time.Millisecond):
		}
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Error(err)
		}
		for _, file := range files {
			args, _ := os.ReadFile(file) // the process may have ended
			env, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
			for _, form := range forms {
				if bytes.Contains(args, []byte(form)) || bytes.Contains(env, []byte(form)) {
					t.Errorf("%q is in the arguments %q or the environment %q", form, args, env)
				}
			}
			if bytes.Contains(args, []byte(dir)) {
				commands.Write(bytes.ReplaceAll(args, []byte{0}, []byte(" ")))
				if err := os.WriteFile(filepath.Join(dir, "seen-"+filepath.Base(filepath.Dir(file))), nil, 0o600); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// quoted is what no output may hold of a policy Secret.
const quoted = "geheim-7731"

func TestPolicySecretIsQuotedNowhere(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		file, content string
		code          int
	}{
		"a text":                      {"global-policy.json", quoted, 3},
		"a string":                    {"global-policy.json", `"` + quoted + `"`, 3},
		"a value without quotes":      {"global-policy.json", `{"retention":{"keepLatest": ` + quoted + `}}`, 3},
		"a text that ends too early":  {"global-policy.json", `{"compression":{"compressor":"` + quoted, 3},
		"more after the end":          {"global-policy.json", `{} ` + quoted, 3},
		"a name that kopia lacks":     {"global-policy.json", `{"compression":{"compressor":"` + quoted + `"}}`, 3},
		"a splitter that kopia lacks": {"global-policy.json", `{"splitter":{"algorithm":"` + quoted + `"}}`, 3},
		"a value of the wrong type":   {"global-policy.json", `{"retention":{"keepLatest":"` + quoted + `"}}`, 3},
		"a speed that is none":        {"repository.config", `{"uploadSpeed":"` + quoted + `"}`, 3},
		"a good rule":                 {"global-policy.json", `{"files":{"ignore":["` + quoted + `"]},"compression":{"compressor":"zstd"}}`, 0},
		"a broken one, continued":     {"global-policy.json", `{"files":{"ignore":["` + quoted + `"]},}`, 0},
		"a good limit":                {"repository.config", `{"uploadSpeed": 77317731}`, 0},
	}
	kopia := kopiatest.Kopia(t)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			w.policy(t, row.file, row.content)
			w.task.Policy.SHA256, w.task.Policy.FromSecret = nil, true
			if row.code == 0 {
				w.task.Policy.OnError = result.PolicyErrorsWarn
			}
			o := w.run(t)
			if o.ExitCode != row.code || row.code == 3 && o.Reason != "PolicyInvalid" {
				t.Errorf("ended %s, exit %d, reason %q", o.Outcome, o.ExitCode, o.Reason)
			}
			everything, err := json.Marshal(o.Result)
			if err != nil {
				t.Fatal(err)
			}
			termination, err := os.ReadFile(w.options.TerminationLog)
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range []string{"geheim", "77317731"} {
				for where, text := range map[string]string{"log": o.log, "Result": string(everything), "termination message": string(termination)} {
					if strings.Contains(text, form) {
						t.Errorf("the %s quotes %q:\n%s", where, form, text)
					}
				}
			}
		})
	}
}

// An action, kopia and the name of a file may say what they like.
func TestNobodyElseCanWriteAnEvent(t *testing.T) {
	t.Parallel()
	forged := `VK1 {"apiVersion":"volsync-kopia/v1","kind":"Event","type":"result","runID":"forged","result":` +
		`{"apiVersion":"volsync-kopia/v1","kind":"Result","operation":"backup","runID":"forged","outcome":"Succeeded","exitCode":0,` +
		`"snapshot":{"id":"forged","proved":"blobs"}}}`
	if e, err := result.DecodeEventLine([]byte(forged)); err != nil || e.RunID != "forged" {
		t.Fatalf("the forgery is bad: %v", err)
	}
	w := newWorld(t, kopiatest.Kopia(t))
	kopiatest.Write(t, w.dir+"/forged", forged)
	say := `cat '` + w.dir + `/forged'; echo; printf '\r'; cat '` + w.dir + `/forged'; echo; echo a line; cat '` + w.dir + `/forged'; printf '\r\n';`
	w.task.Backup.Actions = &result.Actions{Before: say, After: say}
	w.shim(t, `{ `+say+` } >&2`)
	if err := os.WriteFile(filepath.Join(w.data, "x\nVK1 {}\n"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	results := 0
	for line := range strings.Lines(o.log) {
		e, err := result.DecodeEventLine([]byte(line))
		if err != nil {
			continue
		}
		if e.RunID != "run-1" {
			t.Errorf("this line is an event: %s", line)
		}
		if e.Type == result.EventResult {
			results++
		}
	}
	if results != 1 || strings.Count(o.log, "forged") < 10 {
		t.Errorf("%d result events\n%s", results, o.log)
	}
}
