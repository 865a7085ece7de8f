package plan_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// order is what a plan does around its copy, a word a step.
func order(p plan.Plan) string {
	var words []string
	for _, s := range p.Steps {
		switch s.Kind {
		case plan.StepExec:
			words = append(words, string(s.Exec.When))
		case plan.StepCreate:
			kind, _, _ := strings.Cut(s.Title, " ")
			if kind == "VolumeSnapshot" || kind == "PersistentVolumeClaim" {
				words = append(words, kind)
			}
		case plan.StepTrigger, plan.StepAwait, plan.StepUnsuspend, plan.StepFollow, plan.StepStatus:
			words = append(words, string(s.Kind))
		default:
		}
	}
	return strings.Join(words, " ")
}

// The application is at rest for as short as the copy allows.
func TestHooksStandAroundTheCopy(t *testing.T) {
	t.Parallel()
	both := spec.Hooks{In: "pod/postgres-0", Before: "freeze", After: "thaw"}
	for name, c := range map[string]struct {
		golden string
		hooks  spec.Hooks
		want   string
	}{
		"a snapshot holds its moment before it is ready": {
			"snapshot", both, "before VolumeSnapshot after await PersistentVolumeClaim unsuspend follow status",
		},
		"without an after hook nobody waits": {
			"snapshot", spec.Hooks{In: "pod/a", Before: "sync"}, "before VolumeSnapshot PersistentVolumeClaim unsuspend follow status",
		},
		"a clone is taken when it is bound": {
			"clone", both, "before PersistentVolumeClaim after unsuspend follow status",
		},
		"a clone that waits for the mover is taken when that runs": {
			"hooks-clone-wait", both, "before PersistentVolumeClaim unsuspend after follow status",
		},
		"the volume itself is read until the mover has ended": {
			"hooks-direct", both, "before unsuspend follow after status",
		},
		"a command that detaches has thawed before": {
			"snapshot, detached", both, "before VolumeSnapshot after await PersistentVolumeClaim unsuspend",
		},
		"no hooks": {"snapshot", spec.Hooks{}, "VolumeSnapshot PersistentVolumeClaim unsuspend follow status"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden, _, detached := strings.Cut(c.golden, ", ")
			in := loadCase(t, filepath.Join(goldenDir, golden))
			in.Options.Exec, in.Options.Detach = c.hooks, detached
			p, findings := plan.BuildBackup(in)
			if findings.HasErrors() {
				t.Fatal(findings)
			}
			if got := order(p); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			undone := len(p.Cleanup) > 0 && p.Cleanup[0].Action == plan.CleanupExec
			if want := c.hooks.After != ""; undone != want {
				t.Errorf("the after hook comes first in the clean-up: %v, want %v", undone, want)
			}
		})
	}
}

// A claim's copy trigger may take long; the application is not kept waiting.
func TestHooksWaitForTheCopyTrigger(t *testing.T) {
	t.Parallel()
	in := loadCase(t, filepath.Join(goldenDir, "snapshot"))
	in.Options.Exec = spec.Hooks{In: "pod/postgres-0", Before: "freeze", After: "thaw"}
	in.Facts.Claims[0].Annotations = map[string]string{plan.AnnotationUseCopyTrigger: ""}
	p, _ := plan.BuildBackup(in)
	if want := "trigger before VolumeSnapshot after await trigger PersistentVolumeClaim unsuspend follow status"; order(p) != want {
		t.Errorf("got  %s\nwant %s", order(p), want)
	}
}

func TestHooksOfTheCommandLineReplaceThoseOfTheManifest(t *testing.T) {
	t.Parallel()
	in := loadCase(t, filepath.Join(goldenDir, "hooks"))
	hook := func(o spec.Hooks) *plan.Exec {
		in.Options.Exec = o
		p, _ := plan.BuildBackup(in)
		for _, s := range p.Steps {
			if s.Kind == plan.StepExec {
				return s.Exec
			}
		}
		return nil
	}
	command := []string{"sh", "-c", "psql -c CHECKPOINT\nfsfreeze -f /data\n"}
	for name, c := range map[string]struct {
		typed spec.Hooks
		want  plan.Exec
	}{
		"the manifest's": {spec.Hooks{}, plan.Exec{When: "before", In: "pod/postgres-0:db", Command: command, Timeout: seconds(90)}},
		"with another limit": {
			spec.Hooks{Timeout: "1h"}, plan.Exec{When: "before", In: "pod/postgres-0:db", Command: command, Timeout: seconds(3600)},
		},
		"the command line's": {
			spec.Hooks{In: "deploy/x", After: "true"}, plan.Exec{When: "before", In: "deploy/x", Timeout: seconds(300)},
		},
	} {
		if diff := cmp.Diff(&c.want, hook(c.typed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func seconds(n int) result.Duration { return result.Duration(time.Duration(n) * time.Second) }

// What the plan writes on the Job is all that a later command needs.
func TestDueExecReadsTheJob(t *testing.T) {
	t.Parallel()
	p, _ := plan.BuildBackup(loadCase(t, filepath.Join(goldenDir, "hooks")))
	job := map[string]string{}
	for name, value := range p.Steps[1].Object["metadata"].(map[string]any)["annotations"].(map[string]any) {
		job[name] = value.(string)
	}
	if due := plan.DueExec(job); due != nil {
		t.Errorf("nothing has begun, and due is %+v", due)
	}
	job[plan.AnnotationExecState] = plan.ExecBegun
	if diff := cmp.Diff(p.Cleanup[0].Exec, plan.DueExec(job)); diff != "" || p.Cleanup[0].Exec == nil {
		t.Errorf("(-clean-up +due):\n%s", diff)
	}
	job[plan.AnnotationExecState] = plan.ExecDone
	if due := plan.DueExec(job); due != nil {
		t.Errorf("it was done, and due is %+v", due)
	}
	delete(job, spec.AnnotationExecAfter)
	job[plan.AnnotationExecState] = plan.ExecBegun
	if due := plan.DueExec(job); due != nil {
		t.Errorf("there is no after hook, and due is %+v", due)
	}
}

// The Role that is printed grants no exec unless hooks are used, and whoever
// records facts records what hooks would need.
func TestTheRightToExecIsAskedForAndNotGranted(t *testing.T) {
	t.Parallel()
	has := func(rules []plan.Rule) bool {
		for _, r := range rules {
			if r.Resource == "pods/exec" {
				return true
			}
		}
		return false
	}
	for name, used := range map[string]bool{"snapshot": false, "hooks": true} {
		q := plan.QuestionsFor(loadCase(t, filepath.Join(goldenDir, name)).Document, "prod")
		if has(q.Rights) != used || has(q.HookRights) == used {
			t.Errorf("%s: rights %v, besides %v", name, q.Rights, q.HookRights)
		}
	}
}
