package k8s

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

// readObject reads the live object, where the cluster has one. A cluster
// without VolSync's CRDs does not serve the kind: then there is none.
func (o *observation) readObject(ctx context.Context) error {
	objects, err := o.cluster.objects(o.questions.Object.Kind, o.namespace)
	if err != nil {
		return err
	}
	live, err := objects.Get(ctx, o.questions.Object.Name, metav1.GetOptions{})
	if apierrors.IsForbidden(err) && apierrors.IsNotFound(o.discover(ctx, plan.GroupVolSync+"/v1alpha1")) {
		return nil // rights are asked before it is seen that the kind does not exist
	}
	if err != nil {
		return o.skip(err, plan.FactObject)
	}
	found, err := objectFacts(live)
	if err != nil {
		return err
	}
	if found.Jobs, err = o.operatorJobs(ctx, live); err != nil {
		return err
	}
	o.facts.Object = found
	return nil
}

func objectFacts(live *unstructured.Unstructured) (*plan.Object, error) {
	found := &plan.Object{UID: string(live.GetUID())}
	text, err := json.Marshal(live.Object["spec"])
	if err != nil {
		return nil, fmt.Errorf("read the spec of %s: %w", live.GetName(), err)
	}
	found.Spec = text
	var s struct {
		Status status.Status `json:"status"`
	}
	if err := convert(live, &s); err != nil {
		return nil, err
	}
	found.LastManualSync, found.LastSyncTime = s.Status.LastManualSync, s.Status.LastSyncTime
	for _, f := range live.GetManagedFields() {
		if f.Subresource == "status" && f.Time != nil {
			found.Managers = append(found.Managers, plan.Manager{Name: f.Manager, Time: *f.Time})
		}
	}
	return found, nil
}

// operatorJobs are the unfinished Jobs that an operator runs for the object: it
// is their controller, or for a KopiaMaintenance that of their CronJob.
func (o *observation) operatorJobs(ctx context.Context, live *unstructured.Unstructured) ([]string, error) {
	jobs, err := o.cluster.typed.BatchV1().Jobs(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, o.skip(err, plan.FactObject)
	}
	var names []string
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if finished(job) {
			continue
		}
		theirs := metav1.IsControlledBy(job, live)
		if !theirs && live.GetKind() == spec.KindKopiaMaintenance {
			if theirs, err = o.ofCronJobOf(ctx, job, live); err != nil {
				return nil, err
			}
		}
		if theirs {
			names = append(names, job.Name)
		}
	}
	return names, nil
}

// ofCronJobOf reports whether a CronJob that the object controls has made the Job.
func (o *observation) ofCronJobOf(ctx context.Context, job *batchv1.Job, live *unstructured.Unstructured) (bool, error) {
	by := metav1.GetControllerOf(job)
	if by == nil || by.Kind != "CronJob" {
		return false, nil
	}
	cron, err := o.cluster.typed.BatchV1().CronJobs(o.namespace).Get(ctx, by.Name, metav1.GetOptions{})
	if err != nil {
		return false, o.skip(err, plan.FactObject)
	}
	return cron.UID == by.UID && metav1.IsControlledBy(cron, live), nil
}

// readHistory reads what earlier runs left.
func (o *observation) readHistory(ctx context.Context) error {
	m, err := o.cluster.typed.CoreV1().ConfigMaps(o.namespace).Get(ctx, o.questions.History, metav1.GetOptions{})
	if err != nil {
		return o.skip(err, plan.FactConfigMaps)
	}
	h, err := decodeHistory(m)
	if err != nil {
		return err
	}
	o.facts.History = h.Facts()
	return nil
}

// convert reads an untyped object into a typed one.
func convert(u *unstructured.Unstructured, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return fmt.Errorf("read %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

// unknowns collects the facts that may not be read, from several readers.
type unknowns struct {
	mu   sync.Mutex
	list []plan.Unknown
}

func (u *unknowns) add(fact plan.FactName, err error) {
	reason := err.Error()
	var refused apierrors.APIStatus
	if errors.As(err, &refused) {
		reason = refused.Status().Message
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, known := range u.list {
		if known.Fact == fact {
			return
		}
	}
	u.list = append(u.list, plan.Unknown{Fact: fact, Reason: reason})
}

// sorted is the list in the order of the facts: that in which the readers come back is
// another one each time, and recorded facts would differ for it.
func (u *unknowns) sorted() []plan.Unknown {
	u.mu.Lock()
	defer u.mu.Unlock()
	slices.SortFunc(u.list, func(a, b plan.Unknown) int { return cmp.Compare(a.Fact, b.Fact) })
	return u.list
}

func (u *unknowns) has(fact plan.FactName) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, known := range u.list {
		if known.Fact == fact {
			return true
		}
	}
	return false
}
