package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// cluster connects to the cluster that the flags choose. Its client library logs
// nothing: what it would say is in the errors that it returns.
func (f *Factory) cluster() (*k8s.Cluster, error) {
	klog.SetLogger(klog.Logger{})
	klog.LogToStderr(false)
	c, err := k8s.Connect(f.Config, f.apiWarnings())
	var unconnected *fault.Error
	if errors.As(err, &unconnected) && f.command != nil {
		if local := f.command.Flags().Lookup("local"); local != nil && !local.Hidden {
			unconnected.Hint += ", or run on this machine with --local"
		}
	}
	return c, err
}

// target connects to the cluster of a plan, of which class facts tell a part.
func (p *planFlags) target(f *Factory) (*k8s.Cluster, error) {
	c, err := f.cluster()
	if err == nil {
		c.TakeClasses(p.classes)
	}
	return c, err
}

// observe reads the facts that a plan for the document needs.
func (f *Factory) observe(ctx context.Context, c *k8s.Cluster, d *spec.Document) (plan.Facts, error) {
	facts, err := c.Observe(k8s.Telling(ctx, f.note), plan.QuestionsFor(d, d.Metadata().Namespace))
	if err != nil {
		return plan.Facts{}, fmt.Errorf("look at the cluster for %s: %w", d.Object(), err)
	}
	return facts, nil
}

// readNamed reads the objects of the names, if there are any, from the cluster.
func (p *planFlags) readNamed(ctx context.Context, f *Factory, names []string) error {
	switch {
	case len(names) == 0:
		return nil
	case p.local.local:
		return fault.New(fault.Usage, "a name is read from the cluster; --local takes its manifests with -f")
	case p.facts != "":
		return fault.New(fault.Usage, "a name is read from the cluster, and --facts stand in for it").WithHint("give the manifest with -f")
	}
	ctx, cancel := p.limited(ctx, "reading the "+nounOf(p.kinds[0]))
	defer cancel()
	return endedBy(ctx, f.readNamed(ctx, &p.manifests, p.kinds[0], names))
}

// readNamed reads the objects of a kind by their names from the cluster, in place of -f.
func (f *Factory) readNamed(ctx context.Context, m *manifestFlags, kind string, names []string) error {
	if !m.empty() {
		return fault.New(fault.Usage, "a name and -f or -k cannot both be given").WithHint("the name reads the " + nounOf(kind) + " from the cluster, -f from a file")
	}
	for _, name := range names {
		if _, err := os.Stat(name); err == nil && strings.Contains(name, ".") {
			return fault.New(fault.Usage, "%q is a file; an argument is the name of a %s in the cluster", name, nounOf(kind)).
				WithHint("give the file with -f " + name)
		}
	}
	namespace, err := f.namespace(false)
	if err != nil {
		return err
	}
	c, err := f.cluster()
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := c.Manifest(k8s.Telling(ctx, f.note), kind, namespace, name)
		if err != nil {
			return err
		}
		m.live = append(m.live, spec.Input{Name: kind + " " + namespace + "/" + name, Data: text})
	}
	return nil
}

// dryRunOnServer has the API server admit or refuse every object of every plan,
// and prints the plans.
func (r *runFlags) dryRunOnServer(ctx context.Context, f *Factory) error {
	connect := sync.OnceValues(func() (*k8s.Cluster, error) { return r.target(f) })
	return r.planEach(ctx, f, func(ctx context.Context, input *manifests, d *spec.Document) verdict {
		c, err := connect()
		if err != nil {
			return failedVerdict(d.Object(), err)
		}
		p, err := r.planOnCluster(ctx, f, c, input, d, f.NewRunID())
		if err == nil {
			err = c.DryRun(ctx, p)
		}
		return plannedVerdict(d.Object(), p, err)
	})
}

// planOnCluster plans one object from what the cluster is like now.
func (r *runFlags) planOnCluster(ctx context.Context, f *Factory, c *k8s.Cluster, input *manifests, d *spec.Document, runID string) (plan.Plan, error) {
	facts, err := f.observe(ctx, c, d)
	if err != nil {
		return plan.Plan{}, err
	}
	return r.build(f, input, d, facts, runID, nil)
}

// runOnCluster plans one object, waits for its turn and runs it.
func (r *runFlags) runOnCluster(ctx context.Context, f *Factory, c *k8s.Cluster, input *manifests, d *spec.Document, observer run.Observer) (v verdict) {
	runID := f.NewRunID()
	p, err := r.planOnCluster(ctx, f, c, input, d, runID)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	give, waited, err := r.turns.take(ctx, p)
	if err != nil {
		return failedVerdict(d.Object(), err)
	}
	defer func() { give(v.result) }()
	if waited {
		if p, err = r.planOnCluster(ctx, f, c, input, d, runID); err != nil {
			return failedVerdict(d.Object(), err)
		}
	}
	if p.Skip != nil {
		if r.options.Scheduled {
			if err := c.TellSkipped(ctx, p, f.Now()); err != nil {
				f.note("%v", err)
			}
		}
		return skippedVerdict(p, d.Object(), f.Now())
	}
	return r.executeOnCluster(ctx, f, c, input, d, p, observer)
}

// executeOnCluster runs the plan.
func (r *runFlags) executeOnCluster(ctx context.Context, f *Factory, c *k8s.Cluster, input *manifests, d *spec.Document, p plan.Plan, observer run.Observer) verdict {
	observer.Observe(startEvent(p, p.Intent(), f.Now()))
	if err := r.warnOf(f, input, d, p, observer); err != nil {
		return failedVerdict(d.Object(), err)
	}
	defer f.unfinished.begin(p.RunID, fmt.Sprintf("kubectl volsync-kopia cleanup -n %[2]s --yes removes what is there once its mover has ended; "+
		"kubectl volsync-kopia runs attach %[1]s -n %[2]s follows it to its end", p.RunID, p.Object.Namespace))()
	running, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	target := k8s.NewTarget(c, p, triggerOf(d, r.options.TimeZone, f.Now()), observer, f.Now, lost)
	defer target.Close()
	x := run.Execute(running, p, target, observer, f.Now)
	if x.Started {
		v := startedVerdict(p, d.Object(), f.Now())
		v.left = x.Left
		return v
	}
	return executedVerdict(d.Object(), x)
}

// triggerOf is what the object's trigger asks for once the run has ended.
func triggerOf(d *spec.Document, zone string, now time.Time) k8s.Outcome {
	var o k8s.Outcome
	trigger := d.Trigger()
	o.ManualTag = trigger.Manual
	if trigger.Schedule == nil {
		return o
	}
	o.Scheduled, o.Next = true, status.NextRun(plan.ZonedSchedule(*trigger.Schedule, zone), now)
	return o
}

// whoami names this process for whoever meets its Lease.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
