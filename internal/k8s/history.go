package k8s

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

const (
	// historyKey is the history ConfigMap's key.
	historyKey = "history.json"
	// startedPrefix begins the keys of runs that have started; the run's id follows.
	// The value is the Result that holds until there is a better one.
	startedPrefix = "started."
)

// decodeHistory reads the history that a ConfigMap keeps; an empty one has none.
func decodeHistory(m *corev1.ConfigMap) (status.History, error) {
	var h status.History
	text := m.Data[historyKey]
	if text == "" {
		return h, nil
	}
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return h, fault.New(fault.Failed, "read the history: %w", err).At("ConfigMap " + m.Namespace + "/" + m.Name).
			WithHint("kubectl delete configmap " + m.Name + " -n " + m.Namespace + " begins a new history")
	}
	return h, nil
}

// startedRuns are the Results of runs of whose end the ConfigMap does not know.
func startedRuns(m *corev1.ConfigMap) []result.Result {
	var started []result.Result
	for key, text := range m.Data {
		var r result.Result
		if strings.HasPrefix(key, startedPrefix) && json.Unmarshal([]byte(text), &r) == nil {
			started = append(started, r)
		}
	}
	return started
}

// historyOf is the history ConfigMap of an object, without its owner and the version of
// the tool that makes it.
func historyOf(object result.ObjectRef) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: plan.Name(plan.NameStatus, object, ""), Namespace: object.Namespace,
		Labels:      map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelSource: plan.SourceLabel(object), plan.LabelRole: plan.RoleHistory},
		Annotations: map[string]string{plan.AnnotationObject: object.String()},
	}}
}

// begin notes that a run has started, in one request where the ConfigMap exists.
func (w *writer) begin(ctx context.Context, r result.Result) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the start: %w", err)
	}
	wanted := w.planned
	if wanted == nil {
		wanted = historyOf(w.object)
	}
	data := map[string]string{startedPrefix + r.RunID: string(text)}
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return fmt.Errorf("encode the start: %w", err)
	}
	return w.writing(ctx, wanted, func(ctx context.Context) error {
		var err error
		w.history, err = w.patchHistory(ctx, wanted.Name, patch)
		if apierrors.IsNotFound(err) {
			w.history, err = w.createHistory(ctx, wanted, data)
		}
		if err != nil {
			w.history = nil
		}
		return err
	})
}

// entry is a run that the history has.
type entry struct {
	result result.Result
	// outdated is true when a later run has ended or has started.
	outdated bool
}

// entryOf is what a history ConfigMap says of the end of a run; nil: nothing that
// somebody saw.
func entryOf(m *corev1.ConfigMap, runID string) (*entry, error) {
	h, err := decodeHistory(m)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(h.Results, func(r result.Result) bool { return r.RunID == runID && r.Reason != run.ReasonUncollected })
	if i < 0 {
		return nil, nil //nolint:nilnil // as documented
	}
	e := &entry{result: h.Results[i], outdated: i < len(h.Results)-1}
	for _, r := range startedRuns(m) {
		e.outdated = e.outdated || r.RunID != runID && r.StartTime.After(e.result.StartTime)
	}
	return e, nil
}

// addHistory adds the run to the history ConfigMap, which is made if need be, and
// returns what that said of it before; nil: nothing, it was not in it.
func (w writer) addHistory(ctx context.Context, wanted *corev1.ConfigMap, ended status.Run) (before *entry, err error) {
	known, sent := w.history, false
	err = w.writing(ctx, wanted, func(ctx context.Context) error {
		found := known
		known = nil // the API server refuses it if it has changed, and then it is read
		missing := false
		if found == nil {
			var err error
			found, err = w.cluster.typed.CoreV1().ConfigMaps(w.object.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
			if missing = apierrors.IsNotFound(err); missing {
				found = wanted
			} else if err != nil {
				return err
			}
		}
		var err error
		if before, err = entryOf(found, ended.Result.RunID); before != nil || err != nil {
			if sent { // it is this command's own, whose answer was lost
				before = nil
			}
			return err
		}
		data, err := encodeHistory(found, ended)
		if err != nil {
			return err
		}
		sent = true
		if missing {
			_, err := w.createHistory(ctx, wanted, map[string]string{historyKey: *data[historyKey]})
			return err
		}
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"resourceVersion": found.ResourceVersion}, "data": data,
		})
		if err != nil {
			return err
		}
		_, err = w.patchHistory(ctx, wanted.Name, patch)
		return err
	})
	return before, err
}

// writing writes the history, again when somebody else did so meanwhile.
func (w writer) writing(ctx context.Context, m *corev1.ConfigMap, write func(context.Context) error) error {
	err := patiently(ctx, func(ctx context.Context) error {
		return retry.OnError(retry.DefaultBackoff, conflicting, func() error { return write(ctx) })
	})
	if err != nil {
		return fault.New(fault.Leftover, "write the history: %w", err).At("ConfigMap " + w.object.Namespace + "/" + m.Name)
	}
	return nil
}

// conflicting reports whether the history is another than it was thought to be; it
// may be gone, too.
func conflicting(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

func (w writer) patchHistory(ctx context.Context, name string, patch []byte) (*corev1.ConfigMap, error) {
	return w.cluster.typed.CoreV1().ConfigMaps(w.object.Namespace).
		Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: plan.ManagedBy})
}

// createHistory makes the history ConfigMap. It belongs to the object, and goes with
// it, where that is in the cluster: the plan says so, or else the object is looked for.
func (w writer) createHistory(ctx context.Context, wanted *corev1.ConfigMap, data map[string]string) (*corev1.ConfigMap, error) {
	m := wanted.DeepCopy()
	m.Data = data
	if objects, err := w.cluster.objects(w.object.Kind, w.object.Namespace); err == nil && w.planned == nil {
		if live, err := objects.Get(ctx, w.object.Name, metav1.GetOptions{}); err == nil {
			m.OwnerReferences = []metav1.OwnerReference{{
				APIVersion: live.GetAPIVersion(), Kind: live.GetKind(), Name: live.GetName(), UID: live.GetUID(),
			}}
		}
	}
	return w.cluster.typed.CoreV1().ConfigMaps(w.object.Namespace).Create(ctx, m, metav1.CreateOptions{FieldManager: plan.ManagedBy})
}

// encodeHistory is the change of the ConfigMap's data that adds a run that it does not
// have, with nil for a key that goes. Runs that had started before and of whose end
// nobody knows are added as they stand.
func encodeHistory(m *corev1.ConfigMap, ended status.Run) (map[string]*string, error) {
	h, err := decodeHistory(m)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	kept := h.Results[:0]
	for _, r := range h.Results {
		if r.RunID == ended.Result.RunID {
			continue // nobody knew better
		}
		known[r.RunID] = true
		kept = append(kept, r)
	}
	h.Results = kept
	data := map[string]*string{}
	for _, r := range startedRuns(m) {
		data[startedPrefix+r.RunID] = nil
		if r.RunID != ended.Result.RunID && !known[r.RunID] {
			h.Results = append(h.Results, r)
		}
	}
	text, err := json.Marshal(h.Add(ended))
	if err != nil {
		return nil, fmt.Errorf("encode the history: %w", err)
	}
	data[historyKey] = ptr(string(text))
	return data, nil
}
