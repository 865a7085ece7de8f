package suite

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// script is what a job of a pipeline runs, with the environment that the pipeline's
// file gives it.
type script struct {
	env  map[string]string
	text string
}

// filesPattern finds the reports and results that a script writes.
var filesPattern = regexp.MustCompile(`(?:--report-[a-z]+[ =]|> )([a-z.-]+\.(?:json|sarif|xml))`)

// runsPipeline runs the jobs of a CI pipeline, in a checkout that is the reader's
// directory. They have what the page says that the CI system is told, and nothing
// else: the reader's token is in their kubeconfig because the page has made it.
func (r *reader) runsPipeline(s *step) {
	r.t.Helper()
	var pipeline map[string]any
	r.must(yaml.Unmarshal([]byte(s.text), &pipeline))
	began := time.Now()
	for _, name := range s.jobs {
		scripts, env := scriptsOf(pipeline, name), r.gitlab()
		if pipeline["jobs"] != nil {
			env = r.github()
		}
		if !slices.ContainsFunc(scripts, func(s script) bool { return strings.Contains(s.text, "kubectl volsync-kopia") }) {
			r.t.Fatalf("%s:%d: job %s does not use the plugin", r.page, s.line, name)
		}
		for _, script := range scripts {
			r.runsScript(s, name, script, env)
		}
	}
	r.untilAudited("backup-ci", began)
}

// runsScript runs one script of a job. What it appends to the file of GITHUB_ENV the
// job's next ones have in their environment.
func (r *reader) runsScript(s *step, job string, what script, env map[string]string) {
	r.t.Helper()
	own := maps.Clone(env)
	for name, value := range what.env {
		own[name] = r.expression(value)
	}
	var list []string
	for name, value := range own {
		list = append(list, name+"="+value)
	}
	if out, err := r.shell(what.text, list...).CombinedOutput(); err != nil {
		r.t.Fatalf("%s:%d: job %s: %v\n%s\n%s", r.page, s.line, job, err, what.text, out)
	}
	for _, file := range filesPattern.FindAllStringSubmatch(what.text, -1) {
		if text, err := os.ReadFile(filepath.Join(r.dir, file[1])); err != nil || len(text) == 0 {
			r.t.Fatalf("%s:%d: job %s has not written %s: %v", r.page, s.line, job, file[1], err)
		}
	}
	if env["GITHUB_ENV"] == "" {
		return
	}
	text, err := os.ReadFile(env["GITHUB_ENV"])
	r.must(err)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
}

// github is the environment of a job there.
func (r *reader) github() map[string]string {
	r.t.Helper()
	temp := r.t.TempDir()
	env := map[string]string{"CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": temp}
	for _, name := range []string{"GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
		env[name] = filepath.Join(temp, strings.ToLower(name))
		r.must(os.WriteFile(env[name], nil, 0o600))
	}
	return env
}

// gitlab is the environment of a job there: KUBECONFIG is a variable of type File.
func (r *reader) gitlab() map[string]string {
	return map[string]string{"CI": "true", "GITLAB_CI": "true", "KUBECONFIG": r.kubeconfig, "VOLSYNC_KOPIA_MOVER_IMAGE": moverImage}
}

var expressionPattern = regexp.MustCompile(`\$\{\{ *([a-z.A-Z_]+) *\}\}`)

// expression is a value of a GitHub workflow with its expressions evaluated: the
// secret and the variable of the repository that the page has its reader set.
func (r *reader) expression(text string) string {
	r.t.Helper()
	return expressionPattern.ReplaceAllStringFunc(text, func(expression string) string {
		switch name := expressionPattern.FindStringSubmatch(expression)[1]; name {
		case "secrets.BACKUP_KUBECONFIG":
			kubeconfig, err := os.ReadFile(r.kubeconfig)
			r.must(err)
			return strings.TrimSpace(string(kubeconfig)) // as whoever pastes it
		case "vars.MOVER_IMAGE":
			return moverImage
		default:
			r.t.Fatalf("%s: nobody has told GitHub what %s is", r.page, name)
			return ""
		}
	})
}

// scriptsOf are the scripts of a job, of GitHub (jobs.NAME.steps[].run) or of
// GitLab (NAME.script).
func scriptsOf(pipeline map[string]any, job string) []script {
	var scripts []script
	steps, _, _ := unstructured.NestedSlice(pipeline, "jobs", job, "steps")
	ofJob, _, _ := unstructured.NestedStringMap(pipeline, "jobs", job, "env")
	for _, s := range steps {
		step, _ := s.(map[string]any)
		if text, ok := step["run"].(string); ok {
			env := map[string]string{}
			maps.Copy(env, ofJob)
			ofStep, _, _ := unstructured.NestedStringMap(step, "env")
			maps.Copy(env, ofStep)
			scripts = append(scripts, script{env, text})
		}
	}
	lines, _, _ := unstructured.NestedStringSlice(pipeline, job, "script")
	if len(lines) > 0 {
		scripts = append(scripts, script{text: strings.Join(lines, "\n")})
	}
	return scripts
}
