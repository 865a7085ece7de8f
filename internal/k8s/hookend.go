package k8s

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const (
	// hookRetry is how long a pod that cannot be reached is left alone.
	hookRetry = 2 * time.Second
	// absentGrace is how long an application must be gone to be gone: the pod of
	// a StatefulSet is away for a moment when it is replaced.
	absentGrace = 20 * time.Second
	// noteTimeout bounds writing down that a hook was run.
	noteTimeout = 30 * time.Second
	// hookTail is how many lines of its output the problem of a hook repeats.
	hookTail = 3
)

// errHookLimit ends a hook that has used up its own time.
var errHookLimit = errors.New("its time is over (--exec-timeout sets it)")

// dueHook is an after hook that is to be run.
type dueHook struct {
	job  types.NamespacedName
	exec plan.Exec
	// pod is where the before hook was run, or empty.
	pod string
	now func() time.Time
	// once gives up at once on a pod that cannot be reached.
	once bool
	// say tells people what goes on, output each line that the hook writes.
	say    func(string, ...any)
	output func(string)
}

// endHook runs an after hook and notes on the Job that it was. It is tried again
// until its time is over, so that it may run twice when a connection breaks, and
// ctx may outlast the run.
//
// problem says how a hook that was run has failed, or why there is nothing to
// run it in; "" is well. The error says that the hook is still due.
func (c *Cluster) endHook(ctx context.Context, h dueHook) (problem string, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, time.Duration(h.exec.Timeout), errHookLimit)
	defer cancel()
	problem, err = c.tryHook(limited, h)
	if err == nil {
		noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
		defer cancel()
		err = c.noteHooks(noting, h.job, map[string]string{plan.AnnotationExecState: plan.ExecDone})
		if err == nil || apierrors.IsNotFound(err) { // without the Job nobody will ask
			return problem, nil
		}
	}
	return "", fault.New(fault.Leftover, "the after hook in %s is still due: %w", h.exec.In, err).At("Job " + h.job.String()).
		WithHint(fmt.Sprintf("kubectl volsync-kopia cleanup --yes -n %s runs it; if you have done its work: kubectl annotate job %s -n %s --overwrite %s=%s",
			h.job.Namespace, h.job.Name, h.job.Namespace, plan.AnnotationExecState, plan.ExecDone))
}

// tryHook runs the hook as soon as there is a pod to run it in.
func (c *Cluster) tryHook(ctx context.Context, h dueHook) (problem string, err error) {
	var absentSince time.Time
	said := ""
	for {
		at, err := c.hookPlace(ctx, h.job.Namespace, h.exec.In, h.pod)
		if err == nil {
			h.say("the after hook runs in %s", at)
			err = c.exec(ctx, at, h.exec.Command, h.output)
			if problem, ran := howItRan(ctx, err); ran {
				return problem, nil
			}
		}
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errHookLimit) {
			return "", cause // whoever waited is gone, of which the hook knows nothing
		}
		var absent absentError
		switch {
		case !errors.As(err, &absent):
			absentSince = time.Time{}
		case absentSince.IsZero():
			absentSince = h.now()
		case h.now().Sub(absentSince) >= absentGrace:
			return "was not run: " + absent.Error(), nil
		}
		if h.once || apierrors.IsForbidden(err) || fault.KindOf(err) == fault.Usage {
			return "", err
		}
		if why := err.Error(); why != said {
			said = why
			h.say("the after hook waits: %s", why)
		}
		if pause(ctx, hookRetry) != nil {
			return "", err
		}
	}
}

// howItRan says how a hook has ended that was run, with "" for well. A hook that
// could not be begun has not run, and of one whose command was cancelled nobody knows.
func howItRan(ctx context.Context, err error) (problem string, ran bool) {
	switch code, ended := exitCodeOf(err); {
	case ended && code == 0:
		return "", true
	case ended:
		return fmt.Sprintf("ended with exit code %d", code), true
	case err == ctx.Err() && errors.Is(context.Cause(ctx), errHookLimit): //nolint:errorlint // a connection that could not be made in time wraps it
		return "ran longer than its limit, and may still run (--exec-timeout sets it)", true
	case noProgram(err):
		return "cannot be run, perhaps for want of sh in the container: " + err.Error(), true
	}
	return "", false
}

// DueHook names where the after hook is due that the run's command has left
// undone; "": none is.
func (r Run) DueHook() string {
	if e := plan.DueExec(r.job.Annotations); e != nil {
		return e.In
	}
	return ""
}

// endDeadHook runs the after hook that a dead run has left undone, if it has. The
// warning is for the run's Result; nil: there was nothing to do.
func (c *Cluster) endDeadHook(ctx context.Context, r Run, now func() time.Time, say func(string, ...any)) (*result.Warning, error) {
	job, err := c.typed.BatchV1().Jobs(r.job.Namespace).Get(ctx, r.job.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // gone with what it says, as documented
	}
	if err != nil {
		return nil, fault.New(fault.Failed, "see whether its after hook is due: %w", err).At("Job " + r.job.Namespace + "/" + r.job.Name)
	}
	e := plan.DueExec(job.Annotations)
	if e == nil {
		return nil, nil //nolint:nilnil // as documented
	}
	say("run %s: its command has ended with the after hook in %s undone", r.ID, e.In)
	var tail []string
	problem, err := c.endHook(ctx, dueHook{
		job: types.NamespacedName{Namespace: job.Namespace, Name: job.Name}, exec: *e, pod: job.Annotations[plan.AnnotationExecPod], now: now, say: say,
		output: func(line string) {
			say("after hook: %s", line)
			tail = append(tail[max(0, len(tail)-hookTail+1):], line)
		},
	})
	if err != nil {
		return nil, err
	}
	message := "the command had ended with the after hook undone; it was run at " + now().UTC().Format(time.RFC3339)
	if problem != "" {
		message = "the command had ended with the after hook undone; it " + problem
		if len(tail) > 0 {
			message += ": " + strings.Join(tail, "; ")
		}
		say("run %s: its after hook %s", r.ID, problem)
	}
	return &result.Warning{Code: plan.CodeHookFailed, Message: message}, nil
}

// budgetFlag is the flag that sets a wait's limit.
func budgetFlag(c plan.Condition) string {
	if c == plan.UntilTaken { // a part of being ready
		c = plan.UntilReady
	}
	return "--" + string(c) + "-timeout"
}
