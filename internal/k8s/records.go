package k8s

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// records are what this tool has kept of runs, and the runs that there are.
type records struct {
	histories []corev1.ConfigMap
	runs      []Run
	// expired has the ids of runs that have started, whose Job is gone, and of whose
	// end nothing was written.
	expired map[string]bool
}

// records lists the histories and then the runs: a start is noted when its Job exists,
// so that a run without one is over. The histories are read again when one lacks the
// end of such a run: that is written before the Job is removed.
func (c *Cluster) records(ctx context.Context, namespace string) (*records, error) {
	histories, err := c.histories(ctx, namespace)
	if err != nil {
		return nil, err
	}
	runs, err := c.Runs(ctx, namespace)
	if err != nil {
		return nil, err
	}
	r := &records{histories: histories, runs: runs, expired: map[string]bool{}}
	for i := range histories {
		for _, start := range startedRuns(&histories[i]) {
			if !slices.ContainsFunc(runs, func(held Run) bool { return held.ID == start.RunID }) {
				r.expired[start.RunID] = true
			}
		}
	}
	if len(r.expired) > 0 {
		r.histories, err = c.histories(ctx, namespace)
	}
	return r, err
}

// histories lists what this tool has kept of runs.
func (c *Cluster) histories(ctx context.Context, namespace string) ([]corev1.ConfigMap, error) {
	list, err := c.typed.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: plan.LabelManagedBy + "=" + plan.ManagedBy + "," + plan.LabelRole + "=" + plan.RoleHistory,
	})
	if err != nil {
		return nil, cannotList(err, namespace, "list the histories")
	}
	return list.Items, nil
}

// read adds the histories to what was found of their objects.
func (r *records) read(found map[string]*Standing) error {
	for i := range r.histories {
		h, err := decodeHistory(&r.histories[i])
		if err != nil {
			return err
		}
		for _, start := range startedRuns(&r.histories[i]) {
			h.Object = start.Object
			if r.expired[start.RunID] {
				h.Results = append(h.Results, start)
			}
		}
		if h.Object.Name == "" {
			continue
		}
		s := found[key(h.Object)]
		if s == nil {
			s = &Standing{Object: h.Object, Status: h.Status}
			found[key(h.Object)] = s
		}
		s.Results, s.Snapshot = h.Results, h.LastSnapshot()
		// The object's status may be another manager's, or may not be written.
		if kept := h.Status.LastSyncTime; kept != nil && (s.Status.LastSyncTime == nil || s.Status.LastSyncTime.Before(kept)) {
			s.Status.LastSyncTime = kept
		}
	}
	return nil
}
