package suite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// planned is as much of a Plan document as says what a run makes and removes.
type planned struct {
	RunID string
	Steps []plannedStep
}

type plannedStep struct {
	ID          int
	Kind        string
	Object      map[string]any
	Targets     []int
	Status      *struct{ Object map[string]any }
	KeepSeconds *int
}

// TestARunDoesWhatItsPlanSays: what it makes is what the plan has, in the same order,
// with every reference filled and nothing else; what it removes is what the plan
// removes, and what it changes is what the plan changes.
func TestARunDoesWhatItsPlanSays(t *testing.T) {
	t.Parallel()
	for _, s := range []shape{{CopyMethod: "Snapshot", Kopia: keptCache}, {CopyMethod: "Clone"}, {CopyMethod: "Direct"}} {
		t.Run(s.CopyMethod, func(t *testing.T) {
			t.Parallel()
			n := newSource(t, s)
			args := []string{"backup", "-f", n.file, "-o", "json", "--keep-job=0"}
			dry := call(t, append(args, "--dry-run=client")...)
			snapshots := n.record("volumesnapshots.snapshot.storage.k8s.io")
			p := newProxy(t)
			done := p.record()
			began := time.Now()
			r := callAs(t, p.kubeconfig, args...).result(t, 0)
			snapshots.stop()
			plan := planOf(t, dry, r.RunID)
			n.madeAsPlanned(plan, done.made, sizesOf(snapshots))
			for _, made := range done.made {
				n.onlyTheRunKnows(made.sent, r.RunID, began)
			}
			if diff := gocmp.Diff(plan.deletions(), deletedBy(done.deleted, plan.name(plan.job()))); diff != "" {
				t.Errorf("deleted (-planned +run):\n%s", diff)
			}
			if diff := gocmp.Diff(plan.changes(), changesAmong(p.seen())); diff != "" {
				t.Errorf("changed (-planned +run):\n%s", diff)
			}
			if done.events != 1 {
				t.Errorf("%d Events, want that of the outcome", done.events)
			}
		})
	}
}

// planOf is the plan that a dry run has printed, as that of another run.
func planOf(t testing.TB, dry ended, runID string) planned {
	t.Helper()
	var same planned
	asPlanOf(t, dry, runID).decode(t, 0, &same)
	if same.RunID != runID || len(same.Steps) == 0 {
		t.Fatalf("this is no plan:\n%s", dry.stdout)
	}
	return same
}

// asPlanOf is a printed plan with the id of another run: a run's id is in what it
// makes, and its last part in the names.
func asPlanOf(t testing.TB, dry ended, runID string) ended {
	t.Helper()
	var p planned
	dry.decode(t, 0, &p)
	last := func(id string) string { return id[strings.LastIndex(id, "-"):] }
	dry.stdout = strings.NewReplacer(p.RunID, runID, last(p.RunID), last(runID)).Replace(dry.stdout)
	return dry
}

// madeAsPlanned compares what was made with the filled templates.
func (n *space) madeAsPlanned(p planned, made []creation, sizes map[string]string) {
	n.t.Helper()
	answers := map[int]map[string]any{} // by step
	for i, step := range p.creations() {
		if i == len(made) {
			n.t.Errorf("step %d has made no %s %s, and nothing that follows", step.ID, step.Object["kind"], nameOf(step.Object))
			return
		}
		answers[step.ID] = made[i].answer
		want := n.filled(step.Object, answers, sizes)
		if diff := gocmp.Diff(foreseen(want.(map[string]any)), foreseen(made[i].sent)); diff != "" {
			n.t.Errorf("step %d, %s %s (-planned +made):\n%s", step.ID, step.Object["kind"], nameOf(step.Object), diff)
		}
	}
	for _, more := range made[len(p.creations()):] {
		n.t.Errorf("%s %s was made and is in no step of the plan", more.sent["kind"], nameOf(more.sent))
	}
}

// filled is a template's value with its references filled: from what the API server
// has answered to an earlier step, or, of a snapshot, what a controller has found its
// size to be.
func (n *space) filled(value any, answers map[int]map[string]any, sizes map[string]string) any {
	n.t.Helper()
	switch v := value.(type) {
	case map[string]any:
		if step, ok := v["fromStep"].(float64); ok {
			return n.referred(v, answers[int(step)], sizes)
		}
		out := map[string]any{}
		for key, child := range v {
			out[key] = n.filled(child, answers, sizes)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = n.filled(child, answers, sizes)
		}
		return out
	}
	return value
}

// referred is what a reference stands for: the field, or what it must have at least.
func (n *space) referred(ref, object map[string]any, sizes map[string]string) string {
	n.t.Helper()
	field := fmt.Sprint(ref["field"])
	text, _, _ := unstructured.NestedString(object, strings.Split(field, ".")...)
	if field == "status.restoreSize" {
		text = sizes[nameOf(object)]
	}
	if text == "" {
		n.t.Errorf("%s %s has no %s", object["kind"], nameOf(object), field)
		return ""
	}
	least, ok := ref["atLeast"].(string)
	if !ok {
		return text
	}
	quantities := []resource.Quantity{resource.MustParse(text), resource.MustParse(least)}
	if quantities[0].Cmp(quantities[1]) < 0 {
		return least
	}
	return text
}

// sizesOf are the sizes of the snapshots that were made, by name.
func sizesOf(r *record) map[string]string {
	sizes := map[string]string{}
	for _, o := range r.all() {
		if size, ok, _ := unstructured.NestedString(o.Object, "status", "restoreSize"); ok {
			sizes[o.GetName()] = size
		}
	}
	return sizes
}

// foreseen is an object without what only the run knows, as onlyTheRunKnows has it.
func foreseen(object map[string]any) map[string]any {
	o := unstructured.Unstructured{Object: object}
	o.Object = maps.Clone(o.Object)
	delete(o.Object, "data")
	if o.GetKind() == "Lease" {
		spec := maps.Clone(object["spec"].(map[string]any))
		delete(spec, "acquireTime")
		delete(spec, "renewTime")
		o.Object["spec"] = spec
	}
	meta := maps.Clone(object["metadata"].(map[string]any))
	if meta["creationTimestamp"] == nil {
		delete(meta, "creationTimestamp")
	}
	o.Object["metadata"] = meta
	return o.Object
}

// onlyTheRunKnows checks what no plan can have: when the Lease was taken, and what the
// history says of the start.
func (n *space) onlyTheRunKnows(object map[string]any, runID string, began time.Time) {
	n.t.Helper()
	switch object["kind"] {
	case "Lease":
		for _, field := range []string{"acquireTime", "renewTime"} {
			text, _, _ := unstructured.NestedString(object, "spec", field)
			at, err := time.Parse(time.RFC3339, text)
			if err != nil || at.Before(began.Truncate(time.Second)) || at.After(time.Now()) {
				n.t.Errorf("the Lease's %s is %q", field, text)
			}
		}
	case "ConfigMap":
		data, _, _ := unstructured.NestedStringMap(object, "data")
		var start struct{ RunID string }
		if err := json.Unmarshal([]byte(data["started."+runID]), &start); err != nil || len(data) != 1 || start.RunID != runID {
			n.t.Errorf("the history begins with %q: %v", data, err)
		}
	default:
		if data, found := object["data"]; found {
			n.t.Errorf("%s has the data %v", object["kind"], data)
		}
	}
}

// creations are the steps whose object is made: not the question that is asked only of
// a mover that left no Result, and not what a step before has made.
func (p planned) creations() []plannedStep {
	var steps []plannedStep
	for _, step := range p.Steps {
		made := func(before plannedStep) bool {
			return before.Object["kind"] == step.Object["kind"] && nameOf(before.Object) == nameOf(step.Object)
		}
		if step.Object != nil && step.Kind != "ask" && !slices.ContainsFunc(steps, made) {
			steps = append(steps, step)
		}
	}
	return steps
}

// name names the object of a step as a request does.
func (p planned) name(step int) string {
	o := p.Steps[step-1].Object
	return strings.ToLower(fmt.Sprint(o["kind"])) + "s/" + nameOf(o)
}

// job is the step that makes the mover's Job.
func (p planned) job() int {
	return 1 + slices.IndexFunc(p.Steps, func(s plannedStep) bool { return s.Object["kind"] == "Job" })
}

// deletions are what the plan removes: the mover's pod goes before what it has mounted,
// the Job when it is not to be kept.
func (p planned) deletions() []string {
	var names []string
	for _, step := range p.Steps {
		if step.Kind == "delete" {
			names = append(names, "pod of "+p.name(p.job()))
		}
		if step.Kind == "delete" || step.Kind == "release" || step.Kind == "keep" && *step.KeepSeconds == 0 {
			for _, target := range step.Targets {
				names = append(names, p.name(target))
			}
		}
	}
	return names
}

// deletedBy is what was removed, with a pod named by its Job: nobody can foretell its
// own name.
func deletedBy(names []string, job string) []string {
	names = slices.Clone(names)
	_, pod, _ := strings.Cut(job, "/")
	for i, name := range names {
		if strings.HasPrefix(name, "pods/"+pod+"-") {
			names[i] = "pod of " + job
		}
	}
	return names
}

// changes are the requests by which the plan changes what there is.
func (p planned) changes() []string {
	var names []string
	for _, step := range p.Steps {
		switch step.Kind {
		case "adopt":
			names = append(names, "PUT leases")
		case "unsuspend":
			names = append(names, "PATCH jobs")
		}
		if step.Status == nil {
			continue
		}
		names = append(names, "PATCH configmaps")
		if step.Status.Object != nil {
			names = append(names, "PATCH replicationsources/status")
		}
	}
	return slices.Compact(sorted(names))
}

// changesAmong are those of the requests that change what there is, each once: how
// often a Lease is renewed depends on the time.
func changesAmong(requests []string) []string {
	changing := slices.DeleteFunc(requests, func(name string) bool {
		return !strings.HasPrefix(name, "PUT ") && !strings.HasPrefix(name, "PATCH ")
	})
	return slices.Compact(sorted(changing))
}

// nameOf is an object's name.
func nameOf(object map[string]any) string {
	name, _, _ := unstructured.NestedString(object, "metadata", "name")
	return cmp.Or(name, "without a name")
}
