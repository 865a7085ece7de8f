package plan

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// startingDeadline is how late a scheduled run may start. With a run a minute it is
// less than the hundred missed ones at which the CronJob controller gives up.
const startingDeadline = time.Hour

// What a driver's pod takes: it starts the run, follows it and tidies up.
const (
	driverCPU         = "10m"
	driverMemory      = "64Mi"
	driverMemoryLimit = "256Mi"
	driverTmpBytes    = 16 << 20
)

// driverMargin is what a driver that is stopped has for requests besides the waits.
const driverMargin = time.Minute

// cronJob runs this program, the driver, at the times of the schedule.
func (b *builder) cronJob(s Schedule) *batchv1.CronJob {
	kept := spec.KopiaMaintenanceSpec{}.Defaulted() // a source has the same
	if b.upkeep != nil {
		kept = b.upkeep.Defaulted()
	}
	return &batchv1.CronJob{
		TypeMeta: typeMeta("batch/v1", "CronJob"), ObjectMeta: b.scheduleMeta(),
		Spec: batchv1.CronJobSpec{
			Schedule: s.Expression, TimeZone: &s.TimeZone,
			ConcurrencyPolicy:          batchv1.ForbidConcurrent,
			StartingDeadlineSeconds:    new(int64(startingDeadline / time.Second)),
			SuccessfulJobsHistoryLimit: kept.SuccessfulJobsHistoryLimit,
			FailedJobsHistoryLimit:     kept.FailedJobsHistoryLimit,
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: b.driverMeta(),
				Spec: batchv1.JobSpec{
					BackoffLimit: new(int32(0)),
					Template:     corev1.PodTemplateSpec{ObjectMeta: b.driverMeta(), Spec: b.driverPod()},
				},
			},
		},
	}
}

// driverMeta is the metadata of the CronJob's Jobs and pods, which are not runs.
func (b *builder) driverMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Labels: b.labels(RoleDriver, ""), Annotations: b.scheduleMeta().Annotations}
}

// driverPod runs the driver, with its ServiceAccount's token. Its uid is the image's:
// some clusters assign it.
func (b *builder) driverPod() corev1.PodSpec {
	m := &mounts{}
	b.scheduleVolume(m)
	m.add("tmp", "/tmp", false, memory(driverTmpBytes))
	return corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		ServiceAccountName:            Name(NameCron, b.object, ""),
		AutomountServiceAccountToken:  new(true),
		EnableServiceLinks:            new(false),
		ShareProcessNamespace:         new(true), // ADR 6: the driver, too, is not process 1
		TerminationGracePeriodSeconds: new(int64(b.driverGrace() / time.Second)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "driver", Image: b.in.Env.Image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: b.driverCommand(),
			Env: []corev1.EnvVar{{Name: "HOME", Value: "/tmp"}, {
				Name:      envNamespace,
				ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}},
			}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(driverCPU), corev1.ResourceMemory: resource.MustParse(driverMemory)},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(driverMemoryLimit)},
			},
			// Without a word of its own the end of the log says why it has failed.
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts: m.mounts,
		}},
		Volumes: m.volumes,
	}
}

// driverGrace is how long a driver that is told to stop has: for its mover to save what
// it has, and for the claim and the snapshot of the copy to be gone. A pod has an end
// in any case, also where --removed-timeout=0 sets none.
func (b *builder) driverGrace() time.Duration {
	t := b.in.Options.Timeouts
	removed := time.Duration(t.Removed)
	if removed == 0 {
		removed = DefaultRemovedTimeout
	}
	return time.Duration(t.CancelGrace) + 2*removed + driverMargin
}
