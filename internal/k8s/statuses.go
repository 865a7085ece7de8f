package k8s

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// Standing is how one source or maintenance stands: what its object and its history
// say.
type Standing struct {
	Object result.ObjectRef
	// InCluster is true when the object itself is in the cluster.
	InCluster bool
	// Created is when the object was made; zero without one.
	Created time.Time
	// Schedule says when it runs, in the words of cron, or is empty: its CronJob's schedule
	// and time zone where it has one, or else spec.trigger.schedule, which counts in UTC.
	Schedule string
	// Paused is true when nothing is to run: by the object, or by its CronJob.
	Paused bool
	// Status is the object's, or that of the history for one not in the cluster; without
	// NextSyncTime where a CronJob says when the next run is.
	Status  status.Status
	Results []result.Result
	// Snapshot is the last whole one of the history, which the Results need not have.
	Snapshot *result.Snapshot
	// Running is the id of a run whose mover is running, or empty; RunningSince is when
	// that run began.
	Running      string
	RunningSince time.Time
}

// Standings returns how the sources of a namespace stand, all namespaces when it
// is empty. Movers that have ended or cannot start, and whose command is dead, are
// collected first; say tells people what is done for that, and what is not known for
// want of a right.
func (c *Cluster) Standings(ctx context.Context, namespace string, now func() time.Time, say func(string, ...any)) ([]Standing, error) {
	known, err := c.records(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var failed error
	if slices.ContainsFunc(known.runs, func(r Run) bool { return r.collectable(now()) }) {
		failed = c.collectDead(ctx, namespace, now, say)
		if known, err = c.records(ctx, namespace); err != nil {
			return nil, errors.Join(failed, err)
		}
	}
	found := map[string]*Standing{}
	if err := c.readSources(ctx, namespace, found); err != nil {
		return nil, err
	}
	if err := c.readMaintenances(ctx, namespace, found, say); err != nil {
		return nil, err
	}
	if err := known.read(found); err != nil {
		return nil, err
	}
	if err := c.readSchedules(ctx, namespace, found, say); err != nil {
		return nil, err
	}
	for _, r := range known.runs {
		switch s := found[key(r.Object)]; {
		case s == nil:
		case r.busy(now()):
			s.Running, s.RunningSince = r.ID, r.Began
		case failed != nil && r.collectable(now()):
			s.addUncollected(r, now)
		}
	}
	list := make([]Standing, 0, len(found))
	for _, s := range found {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Name, b.Object.Name),
			cmp.Compare(b.Object.Kind, a.Object.Kind)) // a source before the maintenance of its name
	})
	return list, failed
}

// addUncollected adds the Result of a run that has ended and that could not be
// collected: what came before it must not stand for it.
func (s *Standing) addUncollected(r Run, now func() time.Time) {
	if slices.ContainsFunc(s.Results, func(known result.Result) bool { return known.RunID == r.ID }) {
		return
	}
	res := r.Result
	if res == nil {
		operation := result.OperationBackup
		if maintains(r.Object.Kind) {
			operation = result.OperationMaintenance
		}
		collect := run.Collector{Task: &result.Task{RunID: r.ID, Operation: operation, Object: r.Object}, Began: r.Began, Now: now}
		res = collect.Agree(nil, "its mover has ended")
	}
	s.Results = append(s.Results, *r.settled(res))
}

// collectable reports whether there is a Result to collect, if the run is dead. Of
// a run that was only prepared nothing came: that is cleanup's business.
func (r Run) collectable(now time.Time) bool {
	return r.State != RunPrepared && r.State != RunCollected && !r.busy(now)
}

// collectDead collects the movers that have ended or cannot start, and whose
// command is dead.
func (c *Cluster) collectDead(ctx context.Context, namespace string, now func() time.Time, say func(string, ...any)) error {
	remains, err := c.Remains(ctx, namespace, now)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range remains.Runs {
		if r.collectable(now()) {
			errs = append(errs, c.Bury(ctx, r, now, say))
		}
	}
	return errors.Join(errs...)
}

// readSources reads the ReplicationSources that use kopia. A cluster without
// VolSync's CRDs has none.
func (c *Cluster) readSources(ctx context.Context, namespace string, found map[string]*Standing) error {
	objects, err := c.objects("ReplicationSource", namespace)
	if err != nil {
		return err
	}
	list, err := objects.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return cannotList(err, namespace, "list the ReplicationSources")
	}
	for i := range list.Items {
		u := &list.Items[i]
		if _, kopia, _ := unstructured.NestedMap(u.Object, "spec", "kopia"); !kopia {
			continue
		}
		s := &Standing{
			Object:    refTo(u),
			InCluster: true, Created: u.GetCreationTimestamp().Time,
		}
		s.Schedule, _, _ = unstructured.NestedString(u.Object, "spec", "trigger", "schedule")
		s.Paused, _, _ = unstructured.NestedBool(u.Object, "spec", "paused")
		if s.Status, err = statusIn[status.Status](u); err != nil {
			return err
		}
		found[key(s.Object)] = s
	}
	return nil
}

// readMaintenances reads the KopiaMaintenances. Who may not list them, or has no VolSync,
// sees those that the histories know; the first is told so.
func (c *Cluster) readMaintenances(ctx context.Context, namespace string, found map[string]*Standing, say func(string, ...any)) error {
	objects, err := c.objects(spec.KindKopiaMaintenance, namespace)
	if err != nil {
		return err
	}
	list, err := objects.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsForbidden(err) {
		say("Only the KopiaMaintenances with a history here are shown: %v", err)
		return nil
	}
	if err != nil {
		return cannotList(err, namespace, "list the KopiaMaintenances")
	}
	for i := range list.Items {
		u := &list.Items[i]
		var o struct {
			Spec   spec.KopiaMaintenanceSpec `json:"spec"`
			Status status.Maintenance        `json:"status"`
		}
		if err := convert(u, &o); err != nil {
			return err
		}
		s := &Standing{
			Object:    refTo(u),
			InCluster: true, Created: u.GetCreationTimestamp().Time,
			Paused: o.Spec.Suspend != nil && *o.Spec.Suspend || o.Spec.Enabled != nil && !*o.Spec.Enabled,
			Status: status.Status{
				LastSyncTime: o.Status.LastMaintenanceTime, LastManualSync: o.Status.LastManualSync,
				NextSyncTime: o.Status.NextScheduledMaintenance,
			},
		}
		if schedule := o.Spec.TriggerInForce().Schedule; schedule != nil {
			s.Schedule = *schedule
		}
		found[key(s.Object)] = s
	}
	return nil
}

// readSchedules reads when the CronJobs of schedules run what was found. An object that
// is only a file has its CronJob to be known by before it has a history. Who may not list
// CronJobs sees what the objects say, and is told so.
func (c *Cluster) readSchedules(ctx context.Context, namespace string, found map[string]*Standing, say func(string, ...any)) error {
	crons, err := listed(ctx, c.typed.BatchV1().CronJobs(namespace).List, metav1.ListOptions{LabelSelector: ofSchedules})
	if apierrors.IsForbidden(err) {
		say("When a run is due is judged by the objects alone, in UTC, and not by the CronJobs of schedules: %v", err)
		return nil
	}
	if err != nil {
		return cannotList(err, namespace, "list the schedules")
	}
	for i := range crons.Items {
		scheduled := scheduleOf(&crons.Items[i], nil)
		if scheduled.Object.Name == "" {
			continue
		}
		s := found[key(scheduled.Object)]
		if s == nil {
			s = &Standing{Object: scheduled.Object}
			found[key(s.Object)] = s
		}
		s.follow(&scheduled)
	}
	return nil
}

// follow has the schedule say when the object runs, and not the status: a run that
// somebody has started by hand counts in UTC there. One that is not in the cluster is due
// from the first time of its CronJob on.
func (s *Standing) follow(scheduled *Schedule) {
	if scheduled.TimeZone != "" { // or else it is the controller's own
		s.Schedule = plan.ZonedSchedule(scheduled.Expression, scheduled.TimeZone)
		s.Status.NextSyncTime = nil
	}
	s.Paused = s.Paused || scheduled.Suspended
	if s.Created.IsZero() {
		s.Created = scheduled.cron.CreationTimestamp.Time
	}
}

// refTo names an object of the cluster.
func refTo(u *unstructured.Unstructured) result.ObjectRef {
	return result.ObjectRef{Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(), UID: string(u.GetUID())}
}

// key names an object in a map, whatever its UID.
func key(o result.ObjectRef) string { return strings.Join([]string{o.Kind, o.Namespace, o.Name}, "/") }
