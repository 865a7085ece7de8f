package plan_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// probeRun is the run id of the probes of this file.
const probeRun = "20261122-2105-probe"

// Whatever a source is like, its probe is one Job and nothing else: it cannot
// write to anything that the manifest names, is in no run's way, and goes by
// itself when its command is killed.
func TestAProbeOfEveryCase(t *testing.T) {
	t.Parallel()
	for _, name := range goldenCases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := loadCase(t, filepath.Join(goldenDir, name))
			if in.Document.Source == nil {
				t.Skip("a plan of this kind asks nothing")
			}
			backup, findings := plan.BuildBackup(in)
			if findings.HasErrors() {
				t.Skip("the plan is refused, and nobody is asked")
			}
			in.Env.RunID = probeRun
			p, findings := plan.BuildProbe(in)
			if findings.HasErrors() || p.Task == nil || p.Task.Operation != result.OperationProbe || p.Task.Backup != nil {
				t.Fatalf("findings %v, task %+v", findings, p.Task)
			}
			if in.Env.Local != nil {
				wantKinds(t, p, plan.StepPrepare, plan.StepRun, plan.StepRemove)
				return
			}
			wantKinds(t, p, plan.StepCreate, plan.StepUnsuspend, plan.StepFollow, plan.StepKeep)
			job := jobOf(t, p)
			checkProbeJob(t, job)
			if backup.Task != nil && (backup.Task.Repository.Create != p.Task.Repository.Create || backup.Task.Identity != p.Task.Identity) {
				t.Errorf("the probe asks about something else: %+v", p.Task)
			}
		})
	}
}

func wantKinds(t *testing.T, p plan.Plan, want ...plan.StepKind) {
	t.Helper()
	var kinds []plan.StepKind
	for i := range p.Steps {
		kinds = append(kinds, p.Steps[i].Kind)
		for _, w := range p.Steps[i].Waits {
			if w.Timeout <= 0 && p.Local == nil {
				t.Errorf("the wait until %s has no limit", w.For)
			}
		}
	}
	if !slices.Equal(kinds, want) {
		t.Fatalf("the steps are %v, want %v", kinds, want)
	}
}

func checkProbeJob(t *testing.T, job *batchv1.Job) {
	t.Helper()
	pod := job.Spec.Template
	for _, labels := range []map[string]string{job.Labels, pod.Labels} {
		if labels[plan.LabelRole] != plan.RoleProbe || labels[plan.LabelRun] != probeRun || labels[plan.LabelManagedBy] != plan.ManagedBy {
			t.Errorf("labels %v", labels)
		}
	}
	if s := job.Spec; s.Suspend != nil || s.TTLSecondsAfterFinished == nil || *s.TTLSecondsAfterFinished > 120 ||
		s.ActiveDeadlineSeconds == nil || pod.Spec.ActiveDeadlineSeconds == nil {
		t.Errorf("a killed command would leave it: %+v", s)
	}
	if _, hooks := job.Annotations[plan.AnnotationKeep]; hooks {
		t.Errorf("annotations of a run: %v", job.Annotations)
	}
	writable := map[string]bool{"cache": true, "work": true, "tmp": true}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		if m.Name == "data" || m.ReadOnly == writable[m.Name] {
			t.Errorf("volume %s at %s, read-only %v", m.Name, m.MountPath, m.ReadOnly)
		}
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.Name == "data" || v.PersistentVolumeClaim != nil && !v.PersistentVolumeClaim.ReadOnly || writable[v.Name] && v.EmptyDir == nil {
			t.Errorf("volume %+v", v)
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The manifest's own volumes are not changed by the plan of a probe.
func TestAProbeLeavesTheManifestAsItIs(t *testing.T) {
	t.Parallel()
	in := loadCase(t, filepath.Join(goldenDir, "mover-volumes"))
	before, _ := plan.BuildBackup(in)
	plan.BuildProbe(in)
	after, _ := plan.BuildBackup(in)
	if mustJSON(t, before) != mustJSON(t, after) {
		t.Error("the backup's plan differs after the probe's was made")
	}
}

// A source that waits for its node because of its data is asked about where the
// repository is.
func TestAProbeIsPlacedByTheRepositoryAlone(t *testing.T) {
	t.Parallel()
	in := loadCase(t, filepath.Join(goldenDir, "direct-consumer"))
	backup, _ := plan.BuildBackup(in)
	p, _ := plan.BuildProbe(in)
	if backup.Mover.Node == "" {
		t.Fatal("the case places its mover nowhere")
	}
	if a := mustJSON(t, jobOf(t, p).Spec.Template.Spec.Affinity); strings.Contains(a, backup.Mover.Node) {
		t.Errorf("the probe is placed by %s", a)
	}
}

// Options without limits still give a probe some.
func TestAProbeIsBounded(t *testing.T) {
	t.Parallel()
	in := loadCase(t, filepath.Join(goldenDir, "snapshot"))
	in.Options.Timeouts = plan.Timeouts{Running: result.Duration(7 * time.Second)}
	p, _ := plan.BuildProbe(in)
	wantKinds(t, p, plan.StepCreate, plan.StepUnsuspend, plan.StepFollow, plan.StepKeep)
	job := jobOf(t, p)
	if d := job.Spec.Template.Spec.ActiveDeadlineSeconds; d == nil || *d != 7 {
		t.Errorf("the pod's deadline is %v, want the user's own", d)
	}
	if got := job.Spec.Template.Spec.RestartPolicy; got != corev1.RestartPolicyNever {
		t.Errorf("restart policy %s", got)
	}
}

// A list that begins with the repository's own is shown as it will be, or not at
// all where that may come from a Secret.
func TestAnAnswerKnowsTheWholeList(t *testing.T) {
	t.Parallel()
	for after, want := range map[string]string{`[".cache","*.tmp"]`: `[".cache","*.tmp"]`, result.Withheld: "(not shown)"} {
		p, _ := plan.BuildBackup(load(t, "policy-configmap"))
		p.AddProbe(result.Result{
			Repository: &result.RepositoryInfo{Type: "s3"},
			Policy: &result.PolicyReport{Changes: []result.PolicyChange{
				{Target: "(global)", Path: "files.ignore", Before: `["x"]`, After: after, From: "the repository's global policy, global-policy.json"},
			}},
		})
		var text strings.Builder
		if err := p.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if line := `["x"]    ` + want; !strings.Contains(strings.Join(strings.Fields(text.String()), " "), strings.Join(strings.Fields(line), " ")) {
			t.Errorf("the plan lacks %q:\n%s", line, text.String())
		}
	}
}

// What was cut from a Result stays unknown.
func TestACutAnswerLeavesTheRestUnknown(t *testing.T) {
	t.Parallel()
	p, _ := plan.BuildBackup(loadCase(t, filepath.Join(goldenDir, "policy-configmap")))
	p.AddProbe(result.Result{
		Repository: &result.RepositoryInfo{Type: "s3"},
		Policy: &result.PolicyReport{OmittedChanges: 2, Changes: []result.PolicyChange{
			{Target: "(global)", Path: "files.ignore", Before: `["x"]`, After: `["*.tmp"]`},
		}},
	})
	for _, v := range p.Policy[1].Values {
		if known := v.Now != nil; known != (v.Path == "files.ignore") {
			t.Errorf("%s: known %v", v.Path, known)
		}
	}
}

// A sourcePath with the mount path in front has two identities: the answer tells
// which one the repository knows.
func TestAnAnswerForTheOtherIdentity(t *testing.T) {
	t.Parallel()
	in := load(t, "source-path-data")
	probe, _ := plan.BuildProbe(in)
	p, _ := plan.BuildBackup(in)
	task := probe.Task
	if task == nil || task.Otherwise == nil || *task.Otherwise != *p.Otherwise {
		t.Fatalf("the probe's task is %+v", task)
	}
	p.AddProbe(result.Result{
		Repository: &result.RepositoryInfo{Type: "s3"}, Identity: *p.Otherwise,
		Policy: &result.PolicyReport{Changes: []result.PolicyChange{
			{Target: p.Otherwise.String(), Path: "retention.keepDaily", Before: "4"},
		}},
	})
	source := p.Policy[0]
	if now := source.Values[len(source.Values)-1].Now; source.Target != p.Otherwise.String() || now == nil || *now != "4" {
		t.Errorf("the source's policy is %+v", source)
	}
}
