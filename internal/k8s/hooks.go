package k8s

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// hookGrace is how long a before hook that was begun may go on after a cancel:
// the after hook should not run beside it.
const hookGrace = 10 * time.Second

// hooks is how far the application's hooks of one run are.
type hooks struct {
	job types.NamespacedName
	// pod is where the first of them was run.
	pod string
	// begun is true once the Job says that the after hook is due, done once there
	// is nothing to do about it any more.
	begun, done bool
	// warning is what the run's Result does not say yet.
	warning *result.Warning
	// stillDue is what was said of a hook that is due although its step was done.
	stillDue string
}

// due reports whether the after hook is still to be run.
func (h *hooks) due() bool { return h.begun && !h.done }

// hook does a step that runs a hook in the application. mover is the mover's
// Result if it has ended, and what is returned is that Result with what there is
// to say of the hook.
func (t *Target) hook(ctx context.Context, step plan.Step, mover *result.Result) (*result.Result, error) {
	if step.Exec.When == plan.ExecBefore {
		job := t.object(step.Targets[0])
		t.hooks.job = types.NamespacedName{Namespace: job.GetNamespace(), Name: job.GetName()}
		return nil, t.beforeHook(ctx, *step.Exec)
	}
	if err := t.afterHook(ctx, *step.Exec, false); err != nil {
		t.hooks.stillDue = err.Error()
		t.warnOfHook(t.hooks.stillDue) // it stops no copy: the end of the run tries again
	}
	return t.amend(mover), nil
}

// beforeHook notes on the Job that the after hook is due, and then runs the
// before hook. Nothing is due yet when there is no pod to run it in.
func (t *Target) beforeHook(ctx context.Context, e plan.Exec) error {
	limited, cancel := context.WithTimeout(ctx, time.Duration(e.Timeout))
	defer cancel()
	at, err := t.cluster.hookPlace(limited, t.hooks.job.Namespace, e.In, "")
	if err != nil {
		return err
	}
	t.hooks.pod = at.pod
	err = t.cluster.noteHooks(ctx, t.hooks.job, map[string]string{plan.AnnotationExecState: plan.ExecBegun, plan.AnnotationExecPod: at.pod})
	// A request whose answer was lost may have been carried out.
	t.hooks.begun = err == nil || transient(err) || ctx.Err() != nil
	if err != nil || len(e.Command) == 0 {
		return err
	}
	t.say("the before hook runs in %s", at)
	if why := t.runBefore(ctx, e, at); why != "" {
		return fault.New(fault.Failed, "the before hook %s; no copy was made", why).At(at.String()).
			WithHint("its output stands in the log; the after hook is run all the same")
	}
	return nil
}

// runBefore runs the before hook and says how it failed; "" is not at all. A
// cancel leaves it a moment to end by itself.
func (t *Target) runBefore(ctx context.Context, e plan.Exec, at place) string {
	running, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(e.Timeout))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		t.say("cancelled; the before hook has %s to end", hookGrace)
		time.AfterFunc(hookGrace, stop)
	})()
	err := t.cluster.exec(running, at, e.Command, t.outputOf("before hook"))
	switch code, ended := exitCodeOf(err); {
	case ended && code == 0:
		return ""
	case ended:
		return fmt.Sprintf("ended with exit code %d", code)
	case ctx.Err() != nil:
		return "was left running: the run was cancelled"
	case running.Err() != nil:
		return fmt.Sprintf("ran longer than %s, and may still run (--exec-timeout sets the limit)", time.Duration(e.Timeout))
	}
	if noProgram(err) {
		return "could not be run, perhaps for want of sh in the container: " + err.Error()
	}
	return "could not be run: " + err.Error()
}

// outputOf passes on what a hook writes.
func (t *Target) outputOf(hook string) func(string) {
	return func(line string) { t.tell(result.EventLog, "%s: %s", hook, line) }
}

// afterHook runs the after hook if it is due, also when the run was cancelled.
// That it fails is a warning; the error says that it is still due. With once a
// pod that cannot be reached is not waited for.
func (t *Target) afterHook(ctx context.Context, e plan.Exec, once bool) error {
	if !t.hooks.due() {
		return nil
	}
	problem, err := t.cluster.endHook(context.WithoutCancel(ctx), dueHook{
		job: t.hooks.job, exec: e, pod: t.hooks.pod, now: t.now, once: once, say: t.say, output: t.outputOf("after hook"),
	})
	if err != nil {
		return err
	}
	t.hooks.done = true
	if problem != "" {
		t.warnOfHook("the after hook " + problem)
	}
	return nil
}

// endHooks tries once more what is still due at the end of the run, and
// refuses to let the Job go that says so.
func (t *Target) endHooks(ctx context.Context) error {
	if !t.hooks.due() {
		return nil
	}
	i := slices.IndexFunc(t.plan.Cleanup, func(c plan.Cleanup) bool { return c.Action == plan.CleanupExec })
	if i < 0 {
		return nil
	}
	return t.afterHook(ctx, *t.plan.Cleanup[i].Exec, true)
}

// lateHook tries once more to run a hook that is still due, before the run's outcome is
// written, and has the Result say what became of it. What comes after it has the time
// that it would have had without.
func (t *Target) lateHook(ctx context.Context, r *result.Result) (context.Context, context.CancelFunc) {
	if !t.hooks.due() || t.endHooks(ctx) != nil {
		return context.WithCancel(ctx)
	}
	i := slices.IndexFunc(r.Warnings, func(w result.Warning) bool { return w.Code == plan.CodeHookFailed && w.Message == t.hooks.stillDue })
	if i >= 0 {
		r.Warnings = slices.Clone(r.Warnings)
		r.Warnings[i].Message = "the after hook was run at the end of the run: " + strings.Replace(t.hooks.stillDue, " is still due: ", " could not be run before: ", 1)
	}
	*r = *t.amend(r)
	after := context.WithoutCancel(ctx)
	if limit := time.Duration(t.plan.CleanupTimeout); limit > 0 {
		return context.WithTimeout(after, limit)
	}
	return context.WithCancel(after)
}

// warnOfHook tells the observer at once, and the run's Result when there is one.
func (t *Target) warnOfHook(message string) {
	w := result.Warning{Code: plan.CodeHookFailed, Message: message}
	t.hooks.warning = &w
	t.say("WARNING: %s", w.Message)
	t.observer.Observe(result.Event{Type: result.EventWarning, Warning: &w}.Of(t.plan.RunID, t.now()))
}

// amend returns the mover's Result with what there is to say of the hooks.
func (t *Target) amend(r *result.Result) *result.Result {
	if r == nil || t.hooks.warning == nil {
		return r
	}
	amended := withWarning(*r, *t.hooks.warning)
	t.hooks.warning = nil
	return &amended
}

// withWarning adds a warning to a Result, whose success it qualifies.
func withWarning(r result.Result, w result.Warning) result.Result {
	r.Warnings = append(slices.Clone(r.Warnings), w)
	if r.Outcome == result.Succeeded || r.Outcome == result.Unchanged {
		r.Outcome = result.SucceededWithWarnings
	}
	return r
}

// noteHooks writes on the Job how far its hooks are.
func (c *Cluster) noteHooks(ctx context.Context, job types.NamespacedName, annotations map[string]string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	return c.patchJob(ctx, job.Namespace, job.Name, patch)
}

// awaitStep waits for the object of an earlier step.
func (t *Target) awaitStep(ctx context.Context, step plan.Step) error {
	for _, w := range step.Waits {
		if err := t.await(ctx, w, t.object(step.Targets[0])); err != nil {
			return err
		}
	}
	return nil
}
