package k8s

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

func wikiHooks() spec.Hooks {
	return spec.Hooks{In: "deploy/wiki:php", Before: "freeze", After: "thaw", Timeout: "5s"}
}

const inWiki = "/api/v1/namespaces/prod/pods/wiki-a/exec php "

// The Job says that the after hook is due before the before hook runs.
func TestHooksAreNotedBeforeTheyRun(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	a.has("freeze", "one\ntwo", 0)
	a.has("thaw", "", 0)
	h := &heard{}
	target := a.target(wikiHooks(), h)
	for _, when := range []plan.ExecMoment{plan.ExecBefore, plan.ExecAfter} {
		if _, err := target.Do(t.Context(), step(wikiHooks(), when), nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{inWiki + "freeze " + plan.ExecBegun, inWiki + "thaw " + plan.ExecBegun}
	if diff := cmp.Diff(want, a.ran); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
	if a.state() != plan.ExecDone || a.job().Annotations[plan.AnnotationExecPod] != "wiki-a" {
		t.Errorf("the Job says %v", a.job().Annotations)
	}
	for _, line := range []string{"before hook: one", "before hook: two", "the after hook runs in pod prod/wiki-a, container php"} {
		if !slices.Contains(h.lines, line) {
			t.Errorf("%q is not among %q", line, h.lines)
		}
	}
	if err := target.Undo(t.Context(), target.plan.Cleanup[0]); err != nil || len(a.ran) != 2 {
		t.Errorf("the clean-up ran it again: %v, %v", a.ran, err)
	}
}

func TestAFailingBeforeHookEndsTheRunAndIsUndone(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	a.has("freeze", "", 3)
	a.has("thaw", "", 0)
	target := a.target(wikiHooks(), &heard{})
	_, err := target.Do(t.Context(), step(wikiHooks(), plan.ExecBefore), nil)
	if fault.CodeOf(err) != 1 || !strings.Contains(err.Error(), "exit code 3; no copy was made") {
		t.Errorf("%v", err)
	}
	if err := target.Undo(t.Context(), target.plan.Cleanup[0]); err != nil || a.state() != plan.ExecDone || len(a.ran) != 2 {
		t.Errorf("%v; the Job says %s; ran %v", err, a.state(), a.ran)
	}
}

// What cannot begin leaves nothing to be undone.
func TestWithoutAPodNothingBegins(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a", notReady))
	target := a.target(wikiHooks(), &heard{})
	_, err := target.Do(t.Context(), step(wikiHooks(), plan.ExecBefore), nil)
	if fault.CodeOf(err) != 5 || !strings.Contains(err.Error(), "no ready pod") {
		t.Errorf("%v", err)
	}
	if err := target.Undo(t.Context(), target.plan.Cleanup[0]); err != nil || a.state() != "" || len(a.ran) > 0 {
		t.Errorf("%v; the Job says %q; ran %v", err, a.state(), a.ran)
	}
}

func TestAFailingAfterHookIsAWarning(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	a.has("freeze", "", 0)
	a.has("thaw", "", 7)
	target := a.target(wikiHooks(), &heard{})
	if _, err := target.Do(t.Context(), step(wikiHooks(), plan.ExecBefore), nil); err != nil {
		t.Fatal(err)
	}
	mover := &result.Result{Outcome: result.Succeeded}
	r, err := target.Do(t.Context(), step(wikiHooks(), plan.ExecAfter), mover)
	if err != nil || r.Outcome != result.SucceededWithWarnings || len(r.Warnings) != 1 || r.Warnings[0].Message != "the after hook ended with exit code 7" {
		t.Errorf("%+v, %v", r, err)
	}
	if mover.Outcome != result.Succeeded || a.state() != plan.ExecDone {
		t.Errorf("the mover's own is now %+v; the Job says %s", mover, a.state())
	}
	if again := target.amend(r); len(again.Warnings) != 1 {
		t.Errorf("said twice: %v", again.Warnings)
	}
}

// A failure stays what it is.
func TestAWarningMakesNoSuccess(t *testing.T) {
	t.Parallel()
	if r := withWarning(result.Result{Outcome: result.Incomplete}, result.Warning{}); r.Outcome != result.Incomplete || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
}

// A Job that says what is due is neither collected nor removed.
func TestAnAfterHookThatCannotBeRunStaysDue(t *testing.T) {
	t.Parallel()
	hooks := wikiHooks()
	hooks.Timeout = "1s"
	a := newApp(t, hooks, deployment(1), pod("wiki-a"))
	a.has("freeze", "", 0)
	a.has("thaw", "", 0)
	target := a.target(hooks, &heard{})
	if _, err := target.Do(t.Context(), step(hooks, plan.ExecBefore), nil); err != nil {
		t.Fatal(err)
	}
	a.refuse = http.StatusForbidden
	r, err := target.Do(t.Context(), step(hooks, plan.ExecAfter), &result.Result{Outcome: result.Succeeded})
	if err != nil || r.Outcome != result.SucceededWithWarnings || a.state() != plan.ExecBegun {
		t.Fatalf("%+v, %v; the Job says %s", r, err, a.state())
	}
	keep := plan.Step{ID: 9, Kind: plan.StepKeep, Targets: []int{1}, KeepSeconds: new(int32)}
	if _, err := target.Do(t.Context(), keep, r); fault.CodeOf(err) != 8 || a.job().Annotations[plan.AnnotationCollected] != "" {
		t.Errorf("%v; the Job says %v", err, a.job().Annotations)
	}
	if err := target.Undo(t.Context(), plan.Cleanup{Step: 1, Action: plan.CleanupDeleteUnstarted}); err != nil || a.job() == nil {
		t.Errorf("%v", err)
	}
	a.refuse = 0
	a.cluster.dynamic = objectsOf()
	history, err := runtime.DefaultUnstructuredConverter.ToUnstructured(historyOf(target.plan.Object))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Do(t.Context(), plan.Step{ID: 8, Kind: plan.StepStatus, Object: history, Status: &plan.Status{}}, r); err != nil || a.state() != plan.ExecDone {
		t.Errorf("%v; the Job says %s", err, a.state())
	}
	if len(r.Warnings) != 1 || strings.Contains(r.Warnings[0].Message, "still due") || !strings.Contains(r.Warnings[0].Message, "was run at the end of the run") {
		t.Errorf("the Result says %+v", r.Warnings)
	}
}

// A cancel leaves the before hook a moment, so that the after hook does not run
// beside it.
func TestACancelledBeforeHookMayEnd(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := false
	a.commands["freeze"] = func() (string, int) {
		cancel(fault.New(fault.Interrupt, "cancelled by SIGINT"))
		time.Sleep(200 * time.Millisecond)
		ended = true
		return "", 0
	}
	a.has("thaw", "", 0)
	target := a.target(wikiHooks(), &heard{})
	if _, err := target.Do(ctx, step(wikiHooks(), plan.ExecBefore), nil); err != nil || !ended {
		t.Errorf("%v; ended: %v", err, ended)
	}
	if err := target.Undo(ctx, target.plan.Cleanup[0]); err != nil || a.state() != plan.ExecDone {
		t.Errorf("%v; the Job says %s", err, a.state())
	}
}

// endDead ends the hook of a run whose command is dead.
func (a *app) endDead(say func(string, ...any)) (*result.Warning, error) {
	return a.cluster.endDeadHook(a.t.Context(), Run{ID: "x7k2q", job: a.job()}, time.Now, say)
}

func dueJob() types.NamespacedName {
	return types.NamespacedName{Namespace: testNamespace, Name: testJob}
}

func (a *app) died() {
	err := a.cluster.noteHooks(a.t.Context(), dueJob(), map[string]string{plan.AnnotationExecState: plan.ExecBegun, plan.AnnotationExecPod: "wiki-a"})
	if err != nil {
		a.t.Fatal(err)
	}
}

// The application may well not be ready while it is at rest.
func TestADeadRunsAfterHookRunsWhereTheBeforeHookDid(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(2), pod("wiki-a", notReady), pod("wiki-b", madeAt(9)))
	a.has("thaw", "", 0)
	if warning, err := a.endDead(t.Logf); warning != nil || err != nil {
		t.Errorf("nothing was due: %v, %v", warning, err)
	}
	a.died()
	warning, err := a.endDead(t.Logf)
	if err != nil || warning == nil || !strings.Contains(warning.Message, "it was run at") {
		t.Errorf("%+v, %v", warning, err)
	}
	if diff := cmp.Diff([]string{inWiki + "thaw " + plan.ExecBegun}, a.ran); diff != "" || a.state() != plan.ExecDone {
		t.Errorf("the Job says %s; ran (-want +got):\n%s", a.state(), diff)
	}
	if warning, err := a.endDead(t.Logf); warning != nil || err != nil || len(a.ran) != 1 {
		t.Errorf("it ran again: %v, %v, %v", warning, err, a.ran)
	}
}

func TestADeadRunsAfterHookTellsHowItFailed(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(1), pod("wiki-a"))
	a.has("thaw", "1\n2\n3\n4\n", 2)
	a.died()
	warning, err := a.endDead(t.Logf)
	if err != nil || warning == nil || !strings.HasSuffix(warning.Message, "it ended with exit code 2: 2; 3; 4") || a.state() != plan.ExecDone {
		t.Errorf("%+v, %v; the Job says %s", warning, err, a.state())
	}
}

// What nobody can undo any more blocks no later run.
func TestAnApplicationThatIsGoneIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(0))
	a.died()
	now := time.Now()
	clock := func() time.Time { now = now.Add(absentGrace); return now }
	warning, err := a.cluster.endDeadHook(t.Context(), Run{job: a.job()}, clock, t.Logf)
	if err != nil || warning == nil || !strings.Contains(warning.Message, "scaled to 0") || a.state() != plan.ExecDone {
		t.Errorf("%+v, %v; the Job says %s", warning, err, a.state())
	}
}

func TestHowAHookRan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse  int
		command func() (string, int)
		problem string
		// cancel ends the command that waits for the hook, which then is due.
		cancel, due bool
	}{
		"well":       {command: func() (string, int) { return "", 0 }},
		"badly":      {command: func() (string, int) { return "", 1 }, problem: "ended with exit code 1"},
		"too long":   {command: func() (string, int) { time.Sleep(2 * time.Second); return "", 0 }, problem: "ran longer than its limit"},
		"forbidden":  {refuse: http.StatusForbidden, due: true},
		"no kubelet": {refuse: http.StatusInternalServerError, due: true},
		"cancelled":  {command: func() (string, int) { time.Sleep(200 * time.Millisecond); return "", 0 }, cancel: true, due: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooks := wikiHooks()
			hooks.Timeout = "1s"
			a := newApp(t, hooks, deployment(1), pod("wiki-a"))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			a.commands["thaw"], a.refuse = c.command, c.refuse
			if c.cancel {
				a.commands["thaw"] = func() (string, int) {
					cancel(fault.New(fault.Interrupt, "cancelled by SIGINT"))
					return c.command()
				}
			}
			a.died()
			problem, err := a.cluster.endHook(ctx, dueHook{
				job: dueJob(), exec: *step(hooks, plan.ExecAfter).Exec, now: time.Now, say: t.Logf, output: func(string) {},
			})
			if !strings.HasPrefix(problem, c.problem) || (c.problem == "") != (problem == "") || (err != nil) != c.due {
				t.Errorf("%q, %v", problem, err)
			}
			if want := map[bool]string{true: plan.ExecBegun, false: plan.ExecDone}[c.due]; a.state() != want {
				t.Errorf("the Job says %s, want %s", a.state(), want)
			}
			if c.cancel && (err == nil || !strings.Contains(err.Error(), "still due: cancelled by SIGINT")) {
				t.Errorf("it does not say why: %v", err)
			}
		})
	}
}

func TestHookPlace(t *testing.T) {
	t.Parallel()
	named := func(p *corev1.Pod) { p.Annotations = map[string]string{annotationDefaultContainer: "php"} }
	going := func(p *corev1.Pod) {
		p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: time.Now()}, []string{"test/held"}
	}
	ended := func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }
	a := newApp(t, spec.Hooks{}, deployment(3),
		pod("old", madeAt(1)), pod("new", madeAt(2), named), pod("newer", madeAt(3), notReady), pod("going", madeAt(4), going),
		pod("ended", madeAt(5), ended, notReady),
	)
	for name, c := range map[string]struct {
		in, known string
		want      place
		absent    bool
	}{
		"the newest ready pod, its default container": {in: "deploy/wiki", want: place{"prod", "new", "php"}},
		"a container that is named":                   {in: "deploy/wiki:side", want: place{"prod", "new", "side"}},
		"the pod of the first hook, ready or not":     {in: "deploy/wiki", known: "newer", want: place{"prod", "newer", "side"}},
		"the pod of the first hook goes":              {in: "deploy/wiki", known: "going", want: place{"prod", "new", "php"}},
		"the pod of the first hook is gone":           {in: "deploy/wiki", known: "gone", want: place{"prod", "new", "php"}},
		"a pod, ready or not":                         {in: "pod/newer:php", want: place{"prod", "newer", "php"}},
		"a pod that goes":                             {in: "pod/going", absent: true},
		"a pod that has ended":                        {in: "pod/ended", absent: true},
		"no such pod":                                 {in: "pod/none", absent: true},
		"no such Deployment":                          {in: "deploy/none", absent: true},
		"no such container":                           {in: "pod/old:db"},
	} {
		got, err := a.cluster.hookPlace(t.Context(), testNamespace, c.in, c.known)
		var absent absentError
		if got != c.want || (err == nil) != (c.want != place{}) || errors.As(err, &absent) != c.absent {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestAPodThatCannotBeReadIsNotReplaced: the application is at rest in the pod of the
// first hook, and a request that failed does not say that it has gone.
func TestAPodThatCannotBeReadIsNotReplaced(t *testing.T) {
	t.Parallel()
	a := newApp(t, wikiHooks(), deployment(2), pod("wiki-a"), pod("wiki-b", madeAt(9)))
	a.has("thaw", "", 0)
	reads := 0
	a.cluster.typed.(*fake.Clientset).PrependReactor("get", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		reads++
		return reads <= 2, nil, apierrors.NewInternalError(errors.New("etcd is away"))
	})
	if at, err := a.cluster.hookPlace(t.Context(), testNamespace, "deploy/wiki", "wiki-a"); err == nil {
		t.Errorf("it goes to %s", at)
	}
	a.died()
	if _, err := a.endDead(t.Logf); err != nil || a.state() != plan.ExecDone {
		t.Errorf("%v; the Job says %s", err, a.state())
	}
	if diff := cmp.Diff([]string{inWiki + "thaw " + plan.ExecBegun}, a.ran); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
}

func TestOutputComesLineByLine(t *testing.T) {
	t.Parallel()
	var got []string
	l := &lines{tell: func(line string) { got = append(got, line) }}
	long := strings.Repeat("x", maxOutputLine)
	for _, part := range []string{"one\r\ntw", "o\n\n", long + "y\n", "end"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	l.end()
	_, _ = l.Write([]byte("a command that was left\n"))
	if diff := cmp.Diff([]string{"one", "two", "", long, "y", "end"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
