package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkReportsHide: no form of validate's report shows what a Secret holds.
func (r row) checkReportsHide(t *testing.T, w *world) {
	t.Helper()
	if len(r.hides) == 0 {
		return
	}
	reports := filepath.Join(w.dir, "reports")
	if err := os.Mkdir(reports, 0o700); err != nil {
		t.Fatal(err)
	}
	validate := []string{"validate", "-f", filepath.Join("testdata", r.file)}
	shown := map[string]ended{
		"table": w.run(t, append(validate, "--report-sarif", filepath.Join(reports, "sarif"), "--report-junit", filepath.Join(reports, "junit"),
			"--report-markdown", filepath.Join(reports, "markdown"))...),
		"json": w.run(t, append(validate, "-o", "json")...),
	}
	annotated := w.command(t, validate...)
	annotated.Env = append(annotated.Env, "GITHUB_ACTIONS=true")
	annotations, err := annotated.CombinedOutput()
	if err != nil {
		t.Errorf("validate with annotations: %v", err)
	}
	for form, e := range shown {
		r.checkHidden(t, "validate's "+form, e.stdout+e.stderr)
	}
	r.checkHidden(t, "validate's annotations", string(annotations))
	r.checkHidden(t, "validate's reports", treeText(t, reports))
}

// checkRunHides: nor does the run, the plan of another one, what kopia was
// called with, or what is left on this machine.
func (r row) checkRunHides(t *testing.T, w *world, e ended) {
	t.Helper()
	if len(r.hides) == 0 {
		return
	}
	manifest := filepath.Join("testdata", r.file)
	for _, form := range []string{"table", "json"} {
		args := append([]string{"plan", "--source-dir", w.volume, "-o", form}, w.local(append([]string{manifest}, missingSecrets(t, w, manifest)...)...)...)
		plan := w.run(t, args...)
		if plan.code != 0 {
			t.Errorf("plan: exit %d\n%s", plan.code, plan.stderr)
		}
		r.checkHidden(t, "the plan's "+form, plan.stdout+plan.stderr)
	}
	r.checkHidden(t, "stdout", e.stdout)
	r.checkHidden(t, "stderr", e.stderr)
	r.checkHidden(t, "the arguments of kopia", readFile(t, filepath.Join(w.dir, "argv")))
	r.checkHidden(t, "the state directory", treeText(t, w.state))
}

func (r row) checkHidden(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range append(r.hides, password) {
		if strings.Contains(text, secret) {
			t.Errorf("%q, which a Secret holds, is in %s", secret, where)
		}
	}
}

// treeText joins the content of all files below dir.
func treeText(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
