package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// noSecret fails for each text, by its name, that holds the password of a test's
// repository. One that is longer starts with it, and is found too.
func noSecret(t *testing.T, texts map[string]string) {
	t.Helper()
	for what, text := range texts {
		for _, form := range kopiatest.SecretForms(password) {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("a secret is in %s: ...%q", what, text[max(0, at-200):min(len(text), at+200)])
			}
		}
	}
}

// TestNoSecretIsEverShown puts a canary into every key that a repository Secret
// may have, and looks for it in everything that can be seen.
func TestNoSecretIsEverShown(t *testing.T) {
	t.Parallel()
	// No other test has this one, so that a process that holds it has it from here.
	const canary = password + "-of-this-test-alone"
	w := newWorld(t, kopiatest.Kopia(t))
	w.repo.Password = canary
	secret := w.file(t, "all-keys.yaml", secretOfAllKeys(canary))
	files := slow(t, w)
	files[1] = secret
	r := w.start(t, uploading, files...)
	seen := 0
	for range 20 {
		seen += lookIntoProcesses(t, w, canary)
		time.Sleep(50 * time.Millisecond)
	}
	if seen == 0 {
		t.Error("no process of kopia was looked at")
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.wait()

	w.showEverything(t, w.file(t, "app.yaml", source("app", "prod", "retain: {daily: 3}")), secret)
	texts := map[string]string{
		"the state directory": treeText(t, w.state), "the repository": treeText(t, w.repo.Dir),
		"the reports": treeText(t, filepath.Join(w.dir, "reports")), "kopia's arguments": readFile(t, filepath.Join(w.dir, "argv")),
	}
	for what, text := range texts {
		if text == "" {
			t.Errorf("there is nothing to look at in %s", what)
		}
	}
	noSecret(t, texts)
	nothingLeft(t, w)
}

// secretOfAllKeys has the canary in every key that is known, and in one that is not.
func secretOfAllKeys(canary string) string {
	given := map[string]string{
		"KOPIA_REPOSITORY": "filesystem:///kopia/repository", "KOPIA_PASSWORD": canary,
		"KOPIA_MANUAL_CONFIG": fmt.Sprintf(`{"caching": {"cacheDirectory": "/%s-in-a-value"}}`, canary),
		// No words, but switches; anything else is an error.
		"KOPIA_S3_DISABLE_TLS": "false", "AWS_S3_DISABLE_TLS": "false",
	}
	var s strings.Builder
	s.WriteString("apiVersion: v1\nkind: Secret\nmetadata: {name: vault, namespace: prod}\nstringData:\n")
	for _, key := range append(storage.KnownKeys(), "SOMETHING_ELSE") {
		value, ok := given[key]
		if !ok {
			value = canary + "-" + key
		}
		fmt.Fprintf(&s, "  %s: '%s'\n", key, value)
	}
	return s.String()
}

// showEverything has every command that reads the Secret on this machine print what
// it prints, in each form, and write its reports below w.dir/reports. Run itself
// looks for the secret in the output.
func (w *world) showEverything(t *testing.T, manifest, secret string) {
	t.Helper()
	report := func(name string) string { return filepath.Join(w.dir, "reports", name) }
	if err := os.Mkdir(filepath.Dir(report("x")), 0o755); err != nil {
		t.Fatal(err)
	}
	broken := w.file(t, "broken.yaml", readFile(t, secret)+"  - "+password+"\n"+"data: ["+password)
	source, files, local := []string{"--source-dir", w.volume}, []string{"-f", manifest, "-f", secret}, w.local(manifest, secret)
	for _, c := range []struct {
		code int
		args [][]string
	}{
		{0, [][]string{{"validate"}, files}},
		{0, [][]string{{"validate", "-o", "json"}, files}},
		{0, [][]string{{
			"validate", "--report-junit", report("v.xml"), "--report-markdown", report("v.md"), "--report-sarif", report("v.sarif"), "--report-gitlab", report("v.json"),
		}, files}},
		{3, [][]string{{"validate", "-f", broken}}},
		{3, [][]string{{"validate", "-f", broken, "--report-junit", report("b.xml"), "--report-markdown", report("b.md"), "--report-sarif", report("b.sarif")}}},
		{0, [][]string{{"plan"}, source, local}},
		{0, [][]string{{"plan", "-o", "json", "--connect"}, source, local}},
		{0, [][]string{{"backup", "--report-junit", report("r.xml"), "--report-markdown", report("r.md")}, source, local}},
		{0, [][]string{{"snapshots", "list"}, local}},
		{0, [][]string{{"snapshots", "list", "-o", "json"}, local}},
		{0, [][]string{{"restore", "-o", "json", "--progress=json", "--target-dir", filepath.Join(w.dir, "out")}, local}},
	} {
		args := slices.Concat(c.args...)
		if e := w.run(t, args...); e.code != c.code {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, e.code, c.code, e.stdout, e.stderr)
		}
	}
	// With another password nothing can be opened, and the error says so.
	wrong := w.file(t, "wrong.yaml", strings.Replace(readFile(t, secret), "KOPIA_PASSWORD: '", "KOPIA_PASSWORD: '"+password, 1))
	if e := w.run(t, append([]string{"snapshots", "list"}, w.local(manifest, wrong)...)...); e.code != 7 {
		t.Errorf("a wrong password: exit %d\n%s", e.code, e.stderr)
	}
}

// lookIntoProcesses looks for the canary in the command line and environment of
// every process of this machine, and returns how many kopias of this test it met.
func lookIntoProcesses(t *testing.T, w *world, canary string) int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	met := 0
	for _, dir := range dirs {
		// Processes come and go, and those of others may not be readable.
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.HasPrefix(line, []byte(w.kopia+"\x00")) && bytes.Contains(line, []byte(w.dir+"/")) && len(environment) > 0 {
			met++
		}
		for what, content := range map[string][]byte{"environment": environment, "command line": line} {
			for _, form := range kopiatest.SecretForms(canary) {
				if bytes.Contains(content, []byte(form)) {
					t.Errorf("a secret is in the %s of %s: %q", what, dir, content)
				}
			}
		}
	}
	return met
}
