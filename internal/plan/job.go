package plan

import (
	"encoding/json"
	"maps"
	"path"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// uncollected is how long a finished Job stays while nobody has collected its
// Result.
const uncollected = 7 * 24 * time.Hour

// moverProgram is this program in the mover image, found on its PATH.
const moverProgram = "kubectl-volsync_kopia"

// job is the mover's Job, suspended: it owns everything else of the run, so it
// is made before there is anything to mount.
func (b *builder) job(m *mounts, where placement, task *result.Task) *batchv1.Job {
	meta := b.jobMeta()
	return &batchv1.Job{
		TypeMeta:   typeMeta("batch/v1", "Job"),
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			Suspend:                 new(true),
			Parallelism:             new(int32(1)),
			Completions:             new(int32(1)),
			BackoffLimit:            new(int32(0)),
			TTLSecondsAfterFinished: new(int32(uncollected / time.Second)),
			Template:                b.pod(b.meta(b.name(), RoleMover).Annotations, m, where, task),
		},
	}
}

// pod is the mover's pod.
func (b *builder) pod(annotations map[string]string, m *mounts, where placement, task *result.Task) corev1.PodTemplateSpec {
	grace := time.Duration(b.in.Options.Timeouts.CancelGrace)
	pod := corev1.PodTemplateSpec{}
	pod.Labels = b.podLabels()
	pod.Annotations = maps.Clone(annotations)
	pod.Annotations[AnnotationTask] = b.encodeTask(task)
	pod.Spec = corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		TerminationGracePeriodSeconds: new(int64(grace / time.Second)),
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false),
		ShareProcessNamespace:         new(true), // ADR 6: the mover is not process 1
		ServiceAccountName:            deref(b.kopia.MoverServiceAccount),
		SecurityContext:               b.podSecurity(),
		Affinity:                      b.affinity(where),
		Tolerations:                   b.tolerations(where),
		NodeSelector:                  b.nodeSelector(),
		Containers:                    []corev1.Container{b.container(m)},
		Volumes:                       m.volumes,
	}
	if running := time.Duration(b.in.Options.Timeouts.Running); running > 0 {
		// The pod's own deadline, not the Job's: that one deletes the pod and
		// its Result with it.
		pod.Spec.ActiveDeadlineSeconds = new(int64(running / time.Second))
	}
	return pod
}

// container is the mover. Its environment serves people who open a shell in
// it; the mover builds kopia's environment itself.
func (b *builder) container(m *mounts) corev1.Container {
	c := corev1.Container{
		Name:  "mover",
		Image: b.in.Env.Image,
		Command: []string{
			moverProgram, "mover", "--task", path.Join(podTask, taskFile),
			"--termination-log", corev1.TerminationMessagePathDefault,
		},
		Env: []corev1.EnvVar{
			{Name: "HOME", Value: "/tmp"},
			{Name: "KOPIA_CONFIG_PATH", Value: path.Join(podWork, configFile)},
			{Name: "KOPIA_LOG_DIR", Value: path.Join(podWork, logDir)},
			{Name: "KOPIA_CHECK_FOR_UPDATES", Value: "false"},
		},
		ImagePullPolicy:          corev1.PullIfNotPresent,
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext:          b.containerSecurity(),
		VolumeMounts:             m.mounts,
	}
	if r := b.kopia.MoverResources; r != nil {
		c.Resources = *r
	}
	return c
}

// encodeTask writes the Task for the annotation.
func (b *builder) encodeTask(task *result.Task) string {
	data, err := json.Marshal(task)
	b.check(err)
	b.checkTask(len(data))
	return string(data)
}
