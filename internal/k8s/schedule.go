package k8s

import (
	"cmp"
	"context"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// Schedule is the CronJob of an object, as the cluster has it.
type Schedule struct {
	Object result.ObjectRef
	// CronJob is its name, in the object's namespace.
	CronJob string
	// Expression and TimeZone say when it runs.
	Expression, TimeZone string
	Suspended            bool
	// Active are the names of its Jobs that have not finished.
	Active []string
	// Last is the last run of the object, whoever has begun it; nil: none is known.
	Last *LastRun
	// Unreadable is why the history of its object tells nothing, or nil.
	Unreadable error
	// Next is when it runs next; nil: it is suspended.
	Next *time.Time

	cron *batchv1.CronJob
	jobs []batchv1.Job
}

// LastRun is what is known of the last run of a schedule's object.
type LastRun struct {
	Began time.Time
	// Outcome is that of the history. A Job of which nothing is written there has a
	// JobState instead, and one that is gone has nothing.
	Outcome string
}

// The states of a Job of which the history tells nothing.
const (
	JobActive   = "Active"
	JobComplete = "Complete"
	JobFailed   = "JobFailed"
	// JobPending is that of one whose pod does not start; the reason follows.
	JobPending = "Pending"
)

// What schedules are made of, and the Jobs and pods of their CronJobs, by their labels.
const (
	ofSchedules = plan.LabelManagedBy + "=" + plan.ManagedBy + "," + plan.LabelRole + "=" + plan.RoleSchedule
	ofDrivers   = plan.LabelManagedBy + "=" + plan.ManagedBy + "," + plan.LabelRole + "=" + plan.RoleDriver
)

// Schedules lists the schedules of a namespace, of all namespaces when it is empty,
// each with its last run.
func (c *Cluster) Schedules(ctx context.Context, namespace string, now time.Time) ([]Schedule, error) {
	found, err := c.cronJobs(ctx, namespace)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	last, unreadable, err := c.lastResults(ctx, namespace)
	if err != nil {
		return nil, err
	}
	waiting, err := c.waitingDrivers(ctx, namespace, found, now)
	if err != nil {
		return nil, err
	}
	for i := range found {
		s := &found[i]
		s.Unreadable = unreadable[key(s.Object)]
		s.Last = s.lastRun(last[key(s.Object)])
		if s.Last != nil && s.Last.Outcome == JobActive {
			s.Last.Outcome = cmp.Or(waiting[s.jobs[len(s.jobs)-1].UID], JobActive)
		}
		if !s.Suspended {
			s.Next = s.NextRun(now)
		}
	}
	return found, nil
}

// slowStart is how long a pod may take to be made, and to be prepared by its node, until
// that is shown as what its Job waits for.
const slowStart = time.Minute

// noPod is what a Job waits for whose pod cannot be made, as for a quota.
const noPod = "NoPod"

// waitingDrivers says of Jobs, by their uids, what their pods wait for that do not start.
// Who may not list pods is not told.
func (c *Cluster) waitingDrivers(ctx context.Context, namespace string, found []Schedule, now time.Time) (map[types.UID]string, error) {
	if !slices.ContainsFunc(found, func(s Schedule) bool { return len(s.Active) > 0 }) {
		return nil, nil //nolint:nilnil // nothing waits
	}
	pods, err := listed(ctx, c.typed.CoreV1().Pods(namespace).List, metav1.ListOptions{LabelSelector: ofDrivers})
	if apierrors.IsForbidden(err) {
		return nil, nil //nolint:nilnil // as documented
	}
	if err != nil {
		return nil, cannotSchedule(cannotList(err, namespace, "list the pods of the schedules"))
	}
	waiting := map[types.UID]string{}
	for i := range found {
		for j := range found[i].jobs {
			if job := &found[i].jobs[j]; !finished(job) && now.Sub(job.CreationTimestamp.Time) > slowStart {
				waiting[job.UID] = JobPending + ": " + noPod
			}
		}
	}
	for i := range pods.Items {
		owner := metav1.GetControllerOf(&pods.Items[i])
		if owner == nil {
			continue
		}
		delete(waiting, owner.UID)
		if why := pendingReason(&pods.Items[i], now); why != "" {
			waiting[owner.UID] = JobPending + ": " + why
		}
	}
	return waiting, nil
}

// pendingReason is why a pod does not start, in one word, or empty.
func pendingReason(pod *corev1.Pod, now time.Time) string {
	if pod.Status.Phase != corev1.PodPending {
		return ""
	}
	for _, s := range pod.Status.ContainerStatuses {
		w := s.State.Waiting
		if w != nil && (w.Reason != "ContainerCreating" || now.Sub(pod.CreationTimestamp.Time) > slowStart) {
			return w.Reason
		}
	}
	if c := unscheduled(pod); c != nil {
		return c.Reason
	}
	return ""
}

// FindSchedule returns the schedule of the object; an empty kind is any.
func (c *Cluster) FindSchedule(ctx context.Context, namespace, kind, name string) (Schedule, error) {
	found, err := c.cronJobs(ctx, namespace)
	if err != nil {
		return Schedule{}, err
	}
	found = slices.DeleteFunc(found, func(s Schedule) bool { return !isNamed(s.Object, kind, name) })
	switch len(found) {
	case 0:
		return Schedule{}, noSchedule(namespace, name)
	case 1:
		return found[0], nil
	}
	return Schedule{}, ambiguous(name)
}

// isNamed reports whether it is the object of that name, and of the kind unless that
// is empty.
func isNamed(o result.ObjectRef, kind, name string) bool {
	return o.Name == name && (kind == "" || o.Kind == kind)
}

func noSchedule(namespace, name string) error {
	return fault.New(fault.Refused, "%q has no schedule in namespace %q", name, namespace).
		WithHint("kubectl volsync-kopia schedule list -A shows the schedules that there are")
}

func ambiguous(name string) error {
	return fault.New(fault.Usage, "objects of several kinds are named %q", name).WithHint("write KIND/NAME, as replicationsource/" + name)
}

// cronJobs lists the CronJobs of schedules and their Jobs, the CronJobs in the order of
// their objects.
func (c *Cluster) cronJobs(ctx context.Context, namespace string) ([]Schedule, error) {
	crons, err := listed(ctx, c.typed.BatchV1().CronJobs(namespace).List, metav1.ListOptions{LabelSelector: ofSchedules})
	if err != nil {
		return nil, cannotSchedule(cannotList(err, namespace, "list the schedules"))
	}
	if len(crons.Items) == 0 {
		return nil, nil
	}
	jobs, err := c.driverJobs(ctx, namespace)
	if err != nil {
		return nil, err
	}
	found := make([]Schedule, 0, len(crons.Items))
	for i := range crons.Items {
		found = append(found, scheduleOf(&crons.Items[i], jobs))
	}
	slices.SortFunc(found, func(a, b Schedule) int {
		return cmp.Or(cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Kind, b.Object.Kind), cmp.Compare(a.Object.Name, b.Object.Name))
	})
	return found, nil
}

// driverJobs lists the Jobs of the schedules' CronJobs.
func (c *Cluster) driverJobs(ctx context.Context, namespace string) ([]batchv1.Job, error) {
	jobs, err := listed(ctx, c.typed.BatchV1().Jobs(namespace).List, metav1.ListOptions{LabelSelector: ofDrivers})
	if err != nil {
		return nil, cannotSchedule(cannotList(err, namespace, "list the Jobs of the schedules"))
	}
	return jobs.Items, nil
}

// scheduleOf is the schedule of a CronJob, with those of the Jobs that are its own,
// the oldest first.
func scheduleOf(cron *batchv1.CronJob, jobs []batchv1.Job) Schedule {
	s := Schedule{
		Object: objectOf(cron), CronJob: cron.Name, Expression: cron.Spec.Schedule,
		Suspended: cron.Spec.Suspend != nil && *cron.Spec.Suspend, cron: cron,
	}
	if cron.Spec.TimeZone != nil {
		s.TimeZone = *cron.Spec.TimeZone
	}
	s.Object.Namespace = cron.Namespace // what moves the objects elsewhere, as kustomize does, leaves the annotation
	for i := range jobs {
		if metav1.IsControlledBy(&jobs[i], cron) {
			s.jobs = append(s.jobs, jobs[i])
		}
	}
	slices.SortFunc(s.jobs, func(a, b batchv1.Job) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	for i := range s.jobs {
		if !finished(&s.jobs[i]) {
			s.Active = append(s.Active, s.jobs[i].Name)
		}
	}
	return s
}

// lastResults are the last results of the histories, by their objects, and what is wrong
// with those that cannot be read.
func (c *Cluster) lastResults(ctx context.Context, namespace string) (last map[string]*result.Result, unreadable map[string]error, err error) {
	histories, err := c.histories(ctx, namespace)
	if err != nil {
		return nil, nil, err // every Role of this tool may list them
	}
	last, unreadable = map[string]*result.Result{}, map[string]error{}
	for i := range histories {
		h, err := decodeHistory(&histories[i])
		if err != nil {
			unreadable[key(objectOf(&histories[i]))] = err
			continue
		}
		if n := len(h.Results); n > 0 {
			last[key(h.Object)] = &h.Results[n-1]
		}
	}
	return last, unreadable, nil
}

// lastRun is the last run by the history, unless a Job is newer: the command of one that
// was refused has written none.
func (s *Schedule) lastRun(recorded *result.Result) *LastRun {
	var newest *batchv1.Job
	if n := len(s.jobs); n > 0 {
		newest = &s.jobs[n-1]
	}
	switch {
	case newest != nil && (recorded == nil || recorded.StartTime.Before(newest.CreationTimestamp.Time)):
		return &LastRun{Began: newest.CreationTimestamp.Time, Outcome: jobState(newest)}
	case recorded != nil:
		return &LastRun{Began: recorded.StartTime, Outcome: string(recorded.Outcome)}
	case s.cron.Status.LastScheduleTime != nil:
		return &LastRun{Began: s.cron.Status.LastScheduleTime.Time}
	}
	return nil
}

// jobState says in one word how far a Job is.
func jobState(j *batchv1.Job) string {
	switch {
	case !finished(j):
		return JobActive
	case failedJob(j):
		return JobFailed
	}
	return JobComplete
}

// failedJob reports whether the Job controller has ended the Job as failed.
func failedJob(j *batchv1.Job) bool {
	return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue
	})
}

// NextRun is when the CronJob runs next if it is not suspended; nil: it cannot be told.
func (s *Schedule) NextRun(now time.Time) *time.Time {
	if s.TimeZone == "" { // then it is the controller's own
		return nil
	}
	return status.NextRun(plan.ZonedSchedule(s.Expression, s.TimeZone), now)
}
