package plan_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func load(t *testing.T, name string) plan.Input {
	t.Helper()
	return loadCase(t, filepath.Join(goldenDir, name))
}

// jobOf returns the mover's Job of the plan, its holes filled with "x".
func jobOf(t *testing.T, p plan.Plan) *batchv1.Job {
	t.Helper()
	for _, step := range p.Steps {
		if step.Object["kind"] != "Job" {
			continue
		}
		filled, err := step.Object.Fill(func(plan.Ref) (string, error) { return "x", nil })
		if err != nil {
			t.Fatal(err)
		}
		var job batchv1.Job
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(filled.Object, &job, true); err != nil {
			t.Fatal(err)
		}
		return &job
	}
	t.Fatal("the plan makes no Job")
	return nil
}

func TestEqualInputsGiveEqualBytesAndAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		in := load(t, name)
		before, err := json.Marshal(in.Facts)
		if err != nil {
			t.Fatal(err)
		}
		var first []byte
		for range 5 {
			p, _ := build(in)
			data, err := p.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && !bytes.Equal(first, data) {
				t.Errorf("%s: two plans of one input differ:\n%s", name, cmp.Diff(string(first), string(data)))
			}
			first = data
		}
		after, err := json.Marshal(in.Facts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Errorf("%s: planning changed the facts (-before +after):\n%s", name, diff)
		}
	}
}

func TestAPlanSurvivesJSON(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		built, _ := build(load(t, name))
		data, err := built.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var p plan.Plan
		if err := json.Unmarshal(data, &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := p.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(data), string(again)); diff != "" {
			t.Errorf("%s (-written +read and written again):\n%s", name, diff)
		}
	}
}

func TestReferencesPointBackAndEverythingOfARunHasTheJobAsOwner(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		p, _ := build(load(t, name))
		for i, step := range p.Steps {
			if step.ID != i+1 {
				t.Errorf("%s: step %d has the id %d", name, i+1, step.ID)
			}
			refs := append(step.Object.Refs(), step.Owner.Refs()...)
			if step.Reclaim != nil {
				refs = append(refs, step.Reclaim.Name)
			}
			for _, ref := range refs {
				if ref.FromStep >= step.ID || p.Steps[ref.FromStep-1].Object == nil {
					t.Errorf("%s: step %d refers to step %d, which makes nothing before it", name, step.ID, ref.FromStep)
				}
			}
			for _, target := range step.Targets {
				if target >= step.ID {
					t.Errorf("%s: step %d works on step %d, which is not before it", name, step.ID, target)
				}
			}
			checkOwner(t, name, &step)
		}
	}
}

// TestTheStartIsNotedWhereTheOutcomeIs: the step that lets the mover start has the same
// history as the one that writes the outcome, and one that nobody follows has it too.
func TestTheStartIsNotedWhereTheOutcomeIs(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		p, _ := build(load(t, name))
		var start, end *plan.Step
		for i := range p.Steps {
			switch p.Steps[i].Kind {
			case plan.StepUnsuspend:
				start = &p.Steps[i]
			case plan.StepStatus:
				end = &p.Steps[i]
			default:
			}
		}
		if p.Local != nil || len(p.Steps) == 0 {
			continue
		}
		if start == nil || start.Object["kind"] != "ConfigMap" || !start.IfMissing || start.Status == nil || !strings.Contains(start.Note, start.Object.Name()) {
			t.Errorf("%s: the start is noted in no history: %+v", name, start)
			continue
		}
		if p.Detached() {
			continue
		}
		if diff := cmp.Diff(end.Object, start.Object) + cmp.Diff(end.Status, start.Status); diff != "" {
			t.Errorf("%s (-outcome +start):\n%s", name, diff)
		}
	}
}

// checkOwner wants the Job as owner of whatever carries the run's label; the
// Lease is adopted by a step of its own.
func checkOwner(t *testing.T, name string, step *plan.Step) {
	t.Helper()
	meta, _ := step.Object["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	if _, ofRun := labels[plan.LabelRun]; step.Kind != plan.StepCreate || !ofRun || step.Object["kind"] == "Job" {
		return
	}
	owners, _ := meta["ownerReferences"].([]any)
	want := []any{map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"],
		"uid": map[string]any{"fromStep": int64(2), "field": "metadata.uid"},
	}}
	if diff := cmp.Diff(want, owners); diff != "" {
		t.Errorf("%s: owner of %s (-want +got):\n%s", name, step.Title, diff)
	}
}

func TestMoverPodsAreRestrictedAndHoldNoToken(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		p, _ := build(load(t, name))
		if len(p.Steps) == 0 || p.Local != nil {
			continue
		}
		job := jobOf(t, p)
		pod, container := job.Spec.Template.Spec, job.Spec.Template.Spec.Containers[0]
		sc := container.SecurityContext
		switch {
		case !*job.Spec.Suspend || *job.Spec.BackoffLimit != 0:
			t.Errorf("%s: the Job must start suspended and never retry by itself", name)
		case *pod.AutomountServiceAccountToken || pod.NodeName != "":
			t.Errorf("%s: the pod has a token or goes round the scheduler", name)
		case !*sc.ReadOnlyRootFilesystem || *sc.AllowPrivilegeEscalation || sc.Capabilities.Drop[0] != "ALL":
			t.Errorf("%s: the container is not locked down: %v", name, sc)
		case p.Mover.PodSecurity == "restricted" && (!*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault"):
			t.Errorf("%s: called restricted, but is not: %v", name, pod.SecurityContext)
		}
		for _, env := range container.Env {
			if env.ValueFrom != nil {
				t.Errorf("%s: %s comes from an object; secrets must not be in the environment", name, env.Name)
			}
		}
		mount := container.VolumeMounts[0]
		switch {
		case p.Task.Backup == nil && mount.MountPath == "/data":
			t.Errorf("%s: a volume is mounted that is not read", name)
		case p.Task.Backup != nil && (mount.MountPath != "/data" || mount.ReadOnly != (p.Task.Backup.Actions == nil)):
			t.Errorf("%s: /data must be read-only unless actions run: %+v", name, mount)
		}
		if got := job.Spec.Template.Labels[plan.LabelRun]; got != p.RunID {
			t.Errorf("%s: the pod's run label is %q, want %q whatever the manifest says", name, got, p.RunID)
		}
		var task result.Task
		if err := json.Unmarshal([]byte(job.Spec.Template.Annotations[plan.AnnotationTask]), &task); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*p.Task, task); diff != "" {
			t.Errorf("%s: the pod's task is not the plan's (-plan +pod):\n%s", name, diff)
		}
	}
}

func TestTheTaskIsTheSameLocallyAndInAPodButForItsPlaces(t *testing.T) {
	t.Parallel()
	in := load(t, "local")
	in.Options.RunActions = true
	local, _ := plan.BuildBackup(in)
	in.Facts, in.Env.Local = load(t, "snapshot").Facts, nil
	in.Facts.Object, in.Facts.History = nil, nil
	cluster, findings := plan.BuildBackup(in)
	if findings.HasErrors() || local.Task == nil {
		t.Fatal(findings, local.Findings)
	}
	places := cmp.Options{
		cmpopts.IgnoreFields(result.Task{}, "Kopia", "WorkDir", "CacheDir"),
		cmpopts.IgnoreFields(result.RepositoryTask{}, "SecretDir", "Storage", "CacheCapacityBytes"),
		cmpopts.IgnoreFields(result.PolicyTask{}, "Dir"),
		cmpopts.IgnoreFields(result.BackupTask{}, "Root"),
	}
	if diff := cmp.Diff(local.Task, cluster.Task, places); diff != "" {
		t.Errorf("(-local +cluster):\n%s", diff)
	}
	if want := "/data/pgdata"; local.Task.Identity.Path != want {
		t.Errorf("recorded path %q, want %q", local.Task.Identity.Path, want)
	}
}

func TestFindingsOfValidationAreNotRepeated(t *testing.T) {
	t.Parallel()
	in := load(t, "additional-args")
	first, _ := plan.BuildBackup(in)
	in.Findings = first.Findings
	second, _ := plan.BuildBackup(in)
	if diff := cmp.Diff(first.Findings, second.Findings); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

func TestAnErrorOfValidationLeavesNoSteps(t *testing.T) {
	t.Parallel()
	in := load(t, "snapshot")
	in.Findings = problem.List{{Code: "VK101", Severity: problem.Error, Message: "broken"}}
	p, findings := plan.BuildBackup(in)
	if len(p.Steps) > 0 || p.Task != nil || len(p.Cleanup) > 0 || !findings.HasErrors() {
		t.Errorf("a plan with errors has %d steps", len(p.Steps))
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`VK\d+`).FindAllString(string(source), -1)
	if len(codes) < 20 {
		t.Fatalf("found %d codes only", len(codes))
	}
	for _, id := range codes {
		if code, ok := problem.Lookup(id); !ok || code.Meaning == "" || code.Example == "" || code.Fix == "" {
			t.Errorf("%s is not documented in full", id)
		}
	}
}

func TestPlanningWithoutOneFactNeverPanics(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		in := load(t, name)
		data, err := json.Marshal(in.Facts)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		for field := range fields {
			less := map[string]json.RawMessage{}
			for key, value := range fields {
				if key != field {
					less[key] = value
				}
			}
			data, err := json.Marshal(less)
			if err != nil {
				t.Fatal(err)
			}
			in.Facts = plan.Facts{}
			if err := json.Unmarshal(data, &in.Facts); err != nil {
				t.Fatal(err)
			}
			p, findings := build(in)
			if findings.HasErrors() == (len(p.Steps) > 0) && p.Skip == nil {
				t.Errorf("%s without %s: %d steps with findings %v", name, field, len(p.Steps), findings)
			}
		}
	}
}
