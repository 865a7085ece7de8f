package suite

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// applies does what kubectl apply does with a manifest. A cluster-scoped object
// gets a name of the reader's own, and goes with him.
func (r *reader) applies(manifest string) {
	r.t.Helper()
	groups, err := restmapper.GetAPIGroupResources(shared.typed.Discovery())
	r.must(err)
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 1<<16)
	for {
		o := &unstructured.Unstructured{}
		if err := documents.Decode(&o.Object); errors.Is(err, io.EOF) {
			return
		} else if len(o.Object) == 0 {
			r.must(err)
			continue
		}
		mapping, err := mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		r.must(err)
		var objects dynamic.ResourceInterface = shared.dynamic.Resource(mapping.Resource).Namespace(r.name)
		if mapping.Scope.Name() == "root" {
			o.SetName(o.GetName() + "-" + r.name)
			cluster := shared.dynamic.Resource(mapping.Resource)
			r.t.Cleanup(func() { _ = cluster.Delete(contextOf(r.t), o.GetName(), metav1.DeleteOptions{}) })
			objects = cluster
		}
		_, err = objects.Apply(r.t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "howto", Force: true})
		r.must(err)
	}
}

// untilReady waits for the pods, and for those of the Deployments.
func (r *reader) untilReady() {
	r.t.Helper()
	r.until("what the reader has is ready", func(ctx context.Context) bool {
		deployments, err := shared.typed.AppsV1().Deployments(r.name).List(ctx, metav1.ListOptions{})
		r.must(err)
		for i := range deployments.Items {
			if deployments.Items[i].Status.AvailableReplicas == 0 {
				return false
			}
		}
		pods, err := shared.typed.CoreV1().Pods(r.name).List(ctx, metav1.ListOptions{})
		r.must(err)
		for i := range pods.Items {
			if !isPodReady(&pods.Items[i]) {
				return false
			}
		}
		return true
	})
}

func isPodReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// kills runs a command and kills it, and all that it started here, when it has
// printed the text.
func (r *reader) kills(s *step) {
	r.t.Helper()
	cmd := r.shell(shared.administrator, s.command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	printed, err := cmd.StdoutPipe()
	r.must(err)
	cmd.Stderr = cmd.Stdout
	r.must(cmd.Start())
	var all []string
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		all = append(all, lines.Text())
		if strings.Contains(lines.Text(), s.killedAt) {
			r.must(syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
		}
	}
	if _ = cmd.Wait(); !endedBy(cmd, syscall.SIGKILL) {
		r.t.Fatalf("%s:%d: %s\nwas not killed, for it did not print %q\n%s", r.page, s.line, s.command, s.killedAt, strings.Join(all, "\n"))
	}
}

// reportPattern finds the reports that a script writes.
var reportPattern = regexp.MustCompile(`--report-[a-z]+[ =](\S+)`)

// runsPipeline runs the scripts of a CI pipeline's jobs that use the plugin, as
// the ServiceAccount backup-ci, in a checkout that is the reader's directory.
func (r *reader) runsPipeline(s *step) {
	r.t.Helper()
	var pipeline map[string]any
	r.must(yaml.Unmarshal([]byte(s.text), &pipeline))
	for _, name := range s.jobs {
		ran := 0
		for _, script := range scriptsOf(pipeline, name) {
			if !strings.Contains(script, "kubectl volsync-kopia") {
				continue
			}
			cmd := r.shell(r.account("backup-ci"), script)
			cmd.Env = append(cmd.Env, "CI=true", "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+filepath.Join(r.dir, "summary.md"))
			if out, err := cmd.CombinedOutput(); err != nil {
				r.t.Fatalf("%s:%d: job %s: %v\n%s\n%s", r.page, s.line, name, err, script, out)
			}
			for _, report := range reportPattern.FindAllStringSubmatch(script, -1) {
				if text, err := os.ReadFile(filepath.Join(r.dir, report[1])); err != nil || len(text) == 0 {
					r.t.Fatalf("%s:%d: job %s: no report %s: %v", r.page, s.line, name, report[1], err)
				}
			}
			ran++
		}
		if ran == 0 {
			r.t.Fatalf("%s:%d: job %s runs nothing", r.page, s.line, name)
		}
	}
}

// scriptsOf are the scripts of a job, of GitHub (jobs.NAME.steps[].run) or of
// GitLab (NAME.script).
func scriptsOf(pipeline map[string]any, job string) []string {
	var scripts []string
	steps, _, _ := unstructured.NestedSlice(pipeline, "jobs", job, "steps")
	for _, s := range steps {
		if step, ok := s.(map[string]any); ok && step["run"] != nil {
			scripts = append(scripts, step["run"].(string))
		}
	}
	lines, _, _ := unstructured.NestedStringSlice(pipeline, job, "script")
	if len(lines) > 0 {
		scripts = append(scripts, strings.Join(lines, "\n"))
	}
	return scripts
}

// account is a kubeconfig with the rights of a ServiceAccount of the namespace.
func (r *reader) account(name string) string {
	r.t.Helper()
	config, err := clientcmd.LoadFromFile(shared.administrator)
	r.must(err)
	for _, user := range config.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + r.name + ":" + name
	}
	path := filepath.Join(r.t.TempDir(), "kubeconfig")
	r.must(clientcmd.WriteToFile(*config, path))
	return path
}
