package plan_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// TestTheQuestionIsMadeFromAMoversJob as the cluster has it, with all that the API
// server has added for that Job's own pods.
func TestTheQuestionIsMadeFromAMoversJob(t *testing.T) {
	t.Parallel()
	ours := map[string]string{plan.LabelManagedBy: plan.ManagedBy, plan.LabelRun: "r1", plan.LabelRole: plan.RoleMover}
	set := map[string]string{batchv1.ControllerUidLabel: "u", "controller-uid": "u", batchv1.JobNameLabel: "mover", "job-name": "mover", plan.LabelRole: plan.RoleMover}
	mover := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "mover", Namespace: "prod", UID: "u", ResourceVersion: "7", Labels: ours},
		Spec: batchv1.JobSpec{
			Suspend: new(true), Selector: &metav1.LabelSelector{MatchLabels: set}, ManualSelector: new(false),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: set, Annotations: map[string]string{plan.AnnotationTask: "{}"}},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "mover", VolumeMounts: []corev1.VolumeMount{{Name: "data"}, {Name: "repository"}}}},
					Volumes:    []corev1.Volume{{Name: "data"}, {Name: "repository"}},
				},
			},
		},
		Status: batchv1.JobStatus{Failed: 1},
	}
	task := &result.Task{APIVersion: result.APIVersion, Kind: result.KindTask, RunID: "r1", Operation: result.OperationBackup, Backup: &result.BackupTask{}}
	step, err := plan.AskStep(mover, result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: "app"}, task)
	if err != nil {
		t.Fatal(err)
	}
	var ask batchv1.Job
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(step.Object, &ask); err != nil {
		t.Fatal(err)
	}
	pod := ask.Spec.Template
	if ask.Name == mover.Name || ask.UID != "" || ask.ResourceVersion != "" || ask.Spec.Suspend != nil || ask.Spec.Selector != nil || ask.Spec.ManualSelector != nil {
		t.Errorf("%+v", ask)
	}
	if len(pod.Labels) != 1 || pod.Labels[plan.LabelRole] != plan.RoleAsk || len(pod.Spec.Volumes) != 1 || len(pod.Spec.Containers[0].VolumeMounts) != 1 {
		t.Errorf("%+v", pod)
	}
	if len(ask.OwnerReferences) != 1 || ask.OwnerReferences[0].UID != "u" || ask.Labels[plan.LabelRun] != "r1" || ask.Labels[plan.LabelRole] != plan.RoleAsk {
		t.Errorf("%+v", ask.ObjectMeta)
	}
	asked, err := result.DecodeTask([]byte(pod.Annotations[plan.AnnotationTask]))
	if err != nil || asked.Operation != result.OperationList || asked.Backup != nil || asked.List == nil || !asked.List.All || asked.Repository.Create != result.CreateNever {
		t.Errorf("%+v, %v", asked, err)
	}
	if ours[plan.LabelRole] != plan.RoleMover || mover.Spec.Template.Labels[plan.LabelRole] != plan.RoleMover {
		t.Error("the mover's own Job was changed")
	}
}
