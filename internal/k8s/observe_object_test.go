package k8s

import (
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// VolSync runs a maintenance by a CronJob of its own, so that a Job of it has the object
// as its controller's controller.
func TestAJobOfTheOperatorsCronJobIsTheOperators(t *testing.T) {
	t.Parallel()
	controlledBy := func(kind, name, uid string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: "any/v1", Kind: kind, Name: name, UID: types.UID(uid), Controller: new(true)}}
	}
	named := func(name string, owners []metav1.OwnerReference) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: testNamespace, Name: name, UID: types.UID(name), OwnerReferences: owners}
	}
	ended := batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}}
	w := newWorld(t,
		&batchv1.CronJob{ObjectMeta: named("theirs", controlledBy(testUpkeep.Kind, testUpkeep.Name, "upkeep"))},
		&batchv1.CronJob{ObjectMeta: named("other", nil)},
		&batchv1.Job{ObjectMeta: named("theirs-1", controlledBy("CronJob", "theirs", "theirs")), Status: ended},
		&batchv1.Job{ObjectMeta: named("theirs-2", controlledBy("CronJob", "theirs", "theirs"))},
		&batchv1.Job{ObjectMeta: named("other-1", controlledBy("CronJob", "other", "other"))},
		&batchv1.Job{ObjectMeta: named("gone-1", controlledBy("CronJob", "gone", "gone"))},
		&batchv1.Job{ObjectMeta: named("renewed-1", controlledBy("CronJob", "theirs", "an older one"))},
		&batchv1.Job{ObjectMeta: named("direct-1", controlledBy(testUpkeep.Kind, testUpkeep.Name, "upkeep"))},
	)
	w.makeMaintenance(map[string]any{"repository": map[string]any{"repository": "repo"}})
	objects, err := w.cluster.objects(testUpkeep.Kind, testNamespace)
	if err != nil {
		t.Fatal(err)
	}
	live, err := objects.Get(t.Context(), testUpkeep.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := &observation{cluster: w.cluster, namespace: testNamespace, questions: plan.Questions{Object: testUpkeep}}
	jobs, err := o.operatorJobs(t.Context(), live)
	slices.Sort(jobs)
	if err != nil || !slices.Equal(jobs, []string{"direct-1", "theirs-2"}) {
		t.Errorf("%v, %v", jobs, err)
	}
}
