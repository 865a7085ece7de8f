package plan

import (
	"fmt"
	"strings"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const (
	// AnnotationExecState on a Job says how far the run's hooks are, in the words
	// below. The hooks themselves are there under the names that a source has them
	// under, so that whoever ends a dead run can do what it has left undone.
	AnnotationExecState = "volsync-kopia/exec-state"
	// AnnotationExecPod on a Job is the pod that the first hook was run in.
	AnnotationExecPod = "volsync-kopia/exec-pod"
)

// The values of AnnotationExecState.
const (
	// ExecBegun is written before the before hook is run: from then on the after
	// hook is due.
	ExecBegun = "before-begun"
	ExecDone  = "after-done"
)

// ExecMoment says on which side of the copy a hook is.
type ExecMoment string

// The moments.
const (
	ExecBefore ExecMoment = "before"
	ExecAfter  ExecMoment = "after"
)

// Exec is one hook: a command that is run in the application.
type Exec struct {
	When ExecMoment `json:"when"`
	// In is where, as it was typed: pod/X or deploy/X, with :container if need be.
	In string `json:"in"`
	// Command is the argument vector. Without one there is no before hook, and
	// the step only marks that the after hook is due.
	Command []string `json:"command,omitempty"`
	// Timeout bounds finding the pod, reaching it and running the command.
	Timeout result.Duration `json:"timeout"`
}

// DueExec returns the after hook that a dead run has left undone, by the
// annotations of its Job; nil: none.
func DueExec(job map[string]string) *Exec {
	h := spec.HooksOf(job)
	if job[AnnotationExecState] != ExecBegun || h.After == "" {
		return nil
	}
	return execOf(h, ExecAfter)
}

// execOf makes a hook. What a person wrote is shell, so a shell reads it.
func execOf(h spec.Hooks, when ExecMoment) *Exec {
	limit, err := h.Limit()
	if err != nil {
		limit = spec.DefaultHookTimeout // validation has refused it
	}
	e := &Exec{When: when, In: h.In, Timeout: result.Duration(limit)}
	command := h.Before
	if when == ExecAfter {
		command = h.After
	}
	if command != "" {
		e.Command = []string{"sh", "-c", command}
	}
	return e
}

// hooks are those of the command line, or else those of the source's
// annotations; --exec-timeout counts for either.
func (b *builder) hooks() spec.Hooks {
	if b.upkeep != nil { // there is no copy to tell an application of
		return spec.Hooks{}
	}
	typed := b.in.Options.Exec
	if typed.Used() {
		return typed
	}
	h := spec.HooksOf(b.source.Metadata.Annotations)
	if typed.Timeout != "" {
		h.Timeout = typed.Timeout
	}
	return h
}

// hookAnnotations record the hooks on the Job.
func (b *builder) hookAnnotations() map[string]string {
	h := b.hooks()
	if !h.Used() {
		return nil
	}
	recorded := map[string]string{spec.AnnotationExecIn: h.In}
	for name, value := range map[string]string{
		spec.AnnotationExecBefore: h.Before, spec.AnnotationExecAfter: h.After, spec.AnnotationExecTimeout: h.Timeout,
	} {
		if value != "" {
			recorded[name] = value
		}
	}
	return recorded
}

// beforeHook runs the before hook as the last thing before the copy, or before
// the mover reads the volume itself.
func (b *builder) beforeHook(r *run) {
	h := b.hooks()
	if !h.Used() {
		return
	}
	r.hook = b.hook(r, h, ExecBefore)
}

// afterHook runs the after hook at once where the copy has been taken.
func (b *builder) afterHook(r *run) {
	if h := b.hooks(); h.After != "" {
		b.hook(r, h, ExecAfter)
	}
}

func (b *builder) hook(r *run, h spec.Hooks, when ExecMoment) int {
	e := execOf(h, when)
	note := "nothing before the copy; the after hook is due from now on"
	if len(e.Command) > 0 {
		note = fmt.Sprintf("%s the copy: %s, at most %s", when, oneLine(e.Command), span(e.Timeout))
	}
	return b.add(Step{Kind: StepExec, Title: e.In, Note: note, Targets: []int{r.job}, Exec: e})
}

// oneLine is a command as a person reads it in one line.
func oneLine(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// hookCleanup runs the after hook of a run that ends early, before anything is
// removed: the application waits for it.
func (b *builder) hookCleanup(r *run) {
	if h := b.hooks(); r.hook != 0 && h.After != "" {
		b.cleanup = append(b.cleanup, Cleanup{Step: r.hook, Action: CleanupExec, Title: h.In, Exec: execOf(h, ExecAfter)})
	}
}

// snapshotWaits are what the creation of the VolumeSnapshot waits for. With an
// after hook it is that the snapshot was taken: storage that uploads it may need
// hours until it is ready, which the application need not wait for.
func (b *builder) snapshotWaits() []Wait {
	ready := b.in.Options.Timeouts.SnapshotReady
	if b.hooks().After != "" {
		return []Wait{{UntilTaken, ready}}
	}
	return []Wait{{UntilReady, ready}}
}

// snapshotTaken runs the after hook, and waits for the rest of the snapshot.
func (b *builder) snapshotTaken(r *run) {
	if b.hooks().After == "" {
		return
	}
	b.afterHook(r)
	b.add(Step{
		Kind: StepAwait, Title: b.titleOf(r.snapshot), Targets: []int{r.snapshot},
		Waits: []Wait{{UntilReady, b.in.Options.Timeouts.SnapshotReady}},
	})
}

// boundWhenUsed reports whether the copy's claim is bound only by the mover.
func boundWhenUsed(c *Copy) bool { return c.BindingMode != string(storagev1.VolumeBindingImmediate) }

// checkHooks refuses hooks that nobody could end.
func (b *builder) checkHooks(c *Copy) {
	if c.Method == spec.CopyDirect && b.in.Options.Detach && b.hooks().After != "" {
		b.find(problem.Error, codeHookDetached, "spec.kopia.copyMethod",
			"the after hook is due when the mover has read the volume itself (Direct), and a command that detaches is gone by then",
			"leave --detach out, or use copyMethod Snapshot or Clone")
	}
}

// findLocalHooks tells of hooks that a local run does not run.
func (b *builder) findLocalHooks() {
	if b.in.Env.Local != nil && b.hooks().Used() {
		b.leaveOut(codeHooksLocal, `metadata.annotations["`+spec.AnnotationExecIn+`"]`,
			"a local run does not run the application's hooks in "+b.hooks().In,
			"put the application at rest yourself, if the directory is its own")
	}
}

// hookFlags stand for the flags that doctor needs to know of hooks that no
// manifest names.
func (b *builder) hookFlags() string {
	if h := b.in.Options.Exec; h.Used() {
		return " --exec-in " + h.In + " --exec-before CMD"
	}
	return ""
}

// HookNeeds are the rights that hooks use. To read pods/exec, not only to create
// it, is what the newer of the two protocols asks for.
func HookNeeds(h spec.Hooks) []Rule {
	if !h.Used() {
		return nil
	}
	rules := []Rule{
		{Resource: "pods/exec", Verbs: []string{"create"}},
		{Resource: "pods/exec", Verbs: []string{"get"}, Optional: true},
	}
	if target, err := h.Target(); err == nil && target.Kind == spec.KindDeployment {
		rules = append(rules, Rule{Group: "apps", Resource: "deployments", Verbs: []string{"get"}})
	}
	return rules
}
