package k8s

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// goldenPlan is one of the plans that are written down, with the step of the kind.
func goldenPlan(t *testing.T, name string, kind plan.StepKind) (plan.Plan, plan.Step) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "golden", name, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p plan.Plan
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Kind == kind })
	if i < 0 {
		t.Fatalf("%s: no step is of the kind %s", name, kind)
	}
	return p, p.Steps[i]
}

// makeHistoryOwner puts the object into the cluster that the plan has as the history's owner.
func (w *world) makeHistoryOwner(template plan.Template) {
	w.t.Helper()
	for _, owner := range w.planned(template).OwnerReferences {
		o := objectOfKind(owner.APIVersion, owner.Kind, w.planned(template).Namespace, owner.Name, nil)
		o.SetUID(owner.UID)
		if _, err := w.dynamic.Resource(resources()[owner.Kind]).Namespace(o.GetNamespace()).Create(w.t.Context(), o, metav1.CreateOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// planned is the ConfigMap that the plan has.
func (w *world) planned(template plan.Template) corev1.ConfigMap {
	w.t.Helper()
	var m corev1.ConfigMap
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// TestTheHistoryIsThePlans, whoever makes it: the start, the end, the end of a run that
// failed between the two, and whoever collects a run whose command is dead.
func TestTheHistoryIsThePlans(t *testing.T) {
	t.Parallel()
	ended := func(p plan.Plan) *result.Result {
		r := good()
		r.RunID, r.Object = p.RunID, p.Object
		return &r
	}
	begin := func(w *world, p plan.Plan) *Target {
		_, start := goldenPlan(t, "snapshot", plan.StepUnsuspend)
		x := NewTarget(w.cluster, p, Outcome{}, deaf{}, time.Now, func(error) {})
		x.tellStart(t.Context(), start)
		return x
	}
	for name, write := range map[string]func(*world, plan.Plan, plan.Step) error{
		"the start": func(w *world, p plan.Plan, _ plan.Step) error {
			begin(w, p).Close()
			return nil
		},
		"the end": func(w *world, p plan.Plan, end plan.Step) error {
			x := NewTarget(w.cluster, p, Outcome{}, deaf{}, time.Now, func(error) {})
			defer x.Close()
			_, err := x.Do(t.Context(), end, ended(p))
			return err
		},
		"an early end": func(w *world, p plan.Plan, end plan.Step) error {
			x := begin(w, p)
			defer x.Close()
			if err := w.typed.CoreV1().ConfigMaps(p.Object.Namespace).Delete(t.Context(), end.Object.Name(), metav1.DeleteOptions{}); err != nil {
				return err
			}
			return x.Record(t.Context(), *ended(p))
		},
		"whoever collects it": func(w *world, p plan.Plan, _ plan.Step) error {
			var job batchv1.Job
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(p.Steps[1].Object, &job); err != nil {
				return err
			}
			if _, err := w.typed.BatchV1().Jobs(job.Namespace).Create(t.Context(), &job, metav1.CreateOptions{}); err != nil {
				return err
			}
			unwritten, err := w.cluster.settle(t.Context(), Run{ID: p.RunID, Object: p.Object, job: &job}, ended(p), time.Now, t.Logf)
			return errors.Join(unwritten, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p, end := goldenPlan(t, "snapshot", plan.StepStatus)
			w.makeHistoryOwner(end.Object)
			if err := write(w, p, end); err != nil {
				t.Fatal(err)
			}
			made, err := w.typed.CoreV1().ConfigMaps(p.Object.Namespace).Get(t.Context(), end.Object.Name(), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(made.Data) == 0 {
				t.Error("it says nothing")
			}
			made.Data, made.ManagedFields, made.TypeMeta = nil, nil, w.planned(end.Object).TypeMeta
			if diff := cmp.Diff(w.planned(end.Object), *made); diff != "" {
				t.Errorf("(-planned +made):\n%s", diff)
			}
		})
	}
}
