package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// row is one manifest of the documentation page's shape, what is said of it, and
// what kopia must say afterwards.
type row struct {
	file string
	// exit is that of validate; findings are "severity code", sorted.
	exit     int
	findings []string
	// says are words that validate must use: what it names.
	says []string
	// hides are what the Secrets of the input hold, and nothing may show.
	hides []string
	// warned are the codes of what the run itself meets; findings are never
	// among them.
	warned []string
	// flags are more flags for the run.
	flags []string
	// files are put into the volume; none: one file at its root.
	files []string
	// password is the Secret's own, when the input has one.
	password string
	// maintenance rows are of a KopiaMaintenance.
	maintenance bool
	// fresh rows find an empty directory; all others an empty repository.
	fresh bool
	// prepare readies the machine.
	prepare func(t *testing.T, w *world)
	// rules are arguments of "policy set --global" before the run.
	rules []string
	// check compares; nil: the row is not run, and says why in notRun.
	check  func(t *testing.T, w *world, results []result.Result, e ended)
	notRun string
}

// TestDocumentedManifests is the table of verdicts, on every kopia.
func TestDocumentedManifests(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, group := range [][]row{pathRows(), triggerRows(), policyRows(), structuredRows(), scenarioRows(), argumentRows()} {
		rows = append(rows, group...)
	}
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for _, r := range rows {
			t.Run(strings.TrimSuffix(r.file, ".yaml"), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kopia)
				r.validate(t, w)
				if r.check == nil {
					t.Logf("not run: %s", r.notRun)
					return
				}
				r.run(t, w)
			})
		}
	})
	checkEveryManifestHasARow(t, rows)
}

func checkEveryManifestHasARow(t *testing.T, rows []row) {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.file == entry.Name() }) {
			t.Errorf("testdata/%s has no row", entry.Name())
		}
	}
}

// validate compares verdict and findings.
func (r row) validate(t *testing.T, w *world) {
	t.Helper()
	e := w.run(t, "validate", "-f", filepath.Join("testdata", r.file), "-o", "json")
	var report struct {
		Problems []struct{ Severity, Code string }
	}
	if err := json.Unmarshal([]byte(e.stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, e.stdout)
	}
	found := []string{}
	for _, p := range report.Problems {
		if text := p.Severity + " " + p.Code; !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	if e.code != r.exit {
		t.Errorf("validate: exit %d, want %d\n%s", e.code, r.exit, e.stdout)
	}
	if diff := cmp.Diff(append([]string{}, r.findings...), found); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	for _, word := range r.says {
		if !strings.Contains(e.stdout, word) {
			t.Errorf("validate does not name %s:\n%s", word, e.stdout)
		}
	}
	r.checkReportsHide(t, w)
}

// run backs up on real kopia and reads back.
func (r row) run(t *testing.T, w *world) {
	t.Helper()
	files := r.files
	if files == nil {
		files = []string{"a-file"}
	}
	for _, name := range files {
		w.write(t, name, "content of "+name)
	}
	if r.password != "" {
		w.repo.Password = r.password
	}
	if !r.fresh {
		w.repo.Seed(t)
	}
	if r.prepare != nil {
		r.prepare(t, w)
	}
	if r.rules != nil {
		w.repo.Run(t, append([]string{"policy", "set", "--global"}, r.rules...)...)
	}
	w.before = policyBefore(t, w, r.rules != nil)
	w.extra = r.flags
	manifest := filepath.Join("testdata", r.file)
	run := w.backup
	if r.maintenance {
		run = w.maintain
	}
	results, e := run(t, append([]string{manifest}, missingSecrets(t, w, manifest)...)...)
	for i := range results {
		checkWarned(t, results[i], r.warned)
	}
	r.checkRunHides(t, w, e)
	r.check(t, w, results, e)
}

// checkWarned: a run that succeeded says so, with warnings or without, by what
// it met alone.
func checkWarned(t *testing.T, r result.Result, want []string) {
	t.Helper()
	var codes []string
	for _, warning := range r.Warnings {
		codes = append(codes, warning.Code)
	}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("%s: warnings of the run (-want +got):\n%s", r.Object, diff)
	}
	outcome := result.Succeeded
	if len(want) > 0 {
		outcome = result.SucceededWithWarnings
	}
	if r.ExitCode == 0 && r.Outcome != outcome {
		t.Errorf("%s: outcome %s, want %s", r.Object, r.Outcome, outcome)
	}
}

// untouched are the global policies of empty repositories, by kopia: asked once
// for all rows.
var untouched sync.Map

// policyBefore is kopia's global policy before the run: that of this repository
// where the row has set rules, else that of any empty one.
func policyBefore(t *testing.T, w *world, own bool) string {
	t.Helper()
	if own {
		return w.repo.Run(t, "policy", "show", "--json", "--global")
	}
	once, _ := untouched.LoadOrStore(w.kopia, sync.OnceValue(func() string {
		empty := kopiatest.NewRepository(t, w.kopia, t.TempDir(), password)
		empty.Seed(t)
		return empty.Run(t, "policy", "show", "--json", "--global")
	}))
	ask, _ := once.(func() string)
	return ask()
}

// missingSecrets writes the repository Secrets that the manifest names and does
// not hold.
func missingSecrets(t *testing.T, w *world, manifest string) []string {
	t.Helper()
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := spec.Parse([]spec.Input{{Name: manifest, Data: data}}, spec.Options{})
	var files []string
	for _, d := range set.Documents {
		name, namespace := "", d.Metadata().Namespace
		switch {
		case d.Source != nil:
			name = d.Source.Spec.Kopia.Repository
		case d.Maintenance != nil:
			name = d.Maintenance.Spec.Repository.Repository
		default:
			continue
		}
		if set.SecretFor(namespace, name) == nil {
			files = append(files, w.file(t, "secret-"+namespace+".yaml", repositorySecret(name, namespace)))
		}
	}
	return files
}

// succeeded is a check that begins with every run having succeeded.
func succeeded(check func(t *testing.T, w *world, results []result.Result)) func(*testing.T, *world, []result.Result, ended) {
	return func(t *testing.T, w *world, results []result.Result, e ended) {
		t.Helper()
		if e.code != 0 || len(results) == 0 {
			t.Fatalf("exit %d\n%s%s", e.code, e.stdout, e.stderr)
		}
		for _, r := range results {
			if r.Snapshot == nil || r.Snapshot.Proved != result.ProveBlobs {
				t.Errorf("%s: %s without a proved snapshot", r.Object, r.Outcome)
			}
		}
		check(t, w, results)
	}
}
