package node_test

import (
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/clustertest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/image"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

const namespace = "default"

// One node serves all of these, because there is one node a machine.
func TestNode(t *testing.T) {
	before := observe(t)
	c := clustertest.Node(t, whoamiImage(t))
	client := clientFor(t, c)

	t.Run("everything listens on loopback or for pods only", func(t *testing.T) {
		for _, address := range listening(t, c) {
			if !strings.HasPrefix(address, "127.0.0.1:") && address != "10.96.0.1:443" {
				t.Errorf("listens on %s", address)
			}
		}
	})

	t.Run("volumes, snapshots and Jobs without privileges", func(t *testing.T) {
		createClaim(t, client, "data", "vk-immediate", nil)
		eventually(t, "claim bound", func() (bool, error) { return bound(t, client, "data") })
		if got := runJob(t, client, "write", "data", "echo one > /data/file; id -u"); got != "1000\n" {
			t.Errorf("the Job printed %q", got)
		}
		createSnapshot(t, c, "first", "data")
		runJob(t, client, "change", "data", "echo two > /data/file")
		group := "snapshot.storage.k8s.io"
		createClaim(t, client, "restored", "vk-wait", &corev1.TypedLocalObjectReference{APIGroup: &group, Kind: "VolumeSnapshot", Name: "first"})
		eventually(t, "claim looked at", func() (bool, error) { return waitsForAPod(t, client, "restored") })
		if done, err := bound(t, client, "restored"); done || err != nil {
			t.Errorf("class vk-wait binds a claim that no pod uses (%v)", err)
		}
		if got := runJob(t, client, "read", "restored", "cat /data/file"); got != "one\n" {
			t.Errorf("the snapshot has %q", got)
		}
		createClaim(t, client, "clone", "vk-immediate", &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "data"})
		if got := runJob(t, client, "compare", "clone", "cat /data/file"); got != "two\n" {
			t.Errorf("the clone has %q", got)
		}
	})

	t.Run("pods reach the API server", func(t *testing.T) {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "whoami"},
			Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "vk.local/whoami:1"}}},
		}
		if _, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "pod ended", func() (bool, error) {
			got, err := client.CoreV1().Pods(namespace).Get(t.Context(), "whoami", metav1.GetOptions{})
			return err == nil && (got.Status.Phase == corev1.PodSucceeded || got.Status.Phase == corev1.PodFailed), err
		})
		if got := logs(t, client, "whoami"); got != "system:serviceaccount:default:default\n" {
			t.Errorf("the pod printed %q", got)
		}
	})

	t.Run("down leaves nothing", func(t *testing.T) {
		// A pod that runs, so that there is a mount, a network device and a shim to leave.
		runningPod(t, client, "clone")
		if err := c.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		before.compare(t, observe(t))
	})
}

func whoamiImage(t *testing.T) string {
	t.Helper()
	cache, err := toolchain.Open()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := cache.BuildOwn(t.Context(), dir, "./node/testdata/whoami"); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "whoami.tar")
	err = image.WriteFile(archive, image.Spec{
		Name: "vk.local/whoami:1", Entrypoint: []string{"/whoami"}, Files: map[string]string{"/whoami": filepath.Join(dir, "whoami")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func createClaim(t *testing.T, client *kubernetes.Clientset, name, class string, source *corev1.TypedLocalObjectReference) {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class, DataSource: source,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if _, err := client.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func bound(t *testing.T, client *kubernetes.Clientset, name string) (bool, error) {
	claim, err := client.CoreV1().PersistentVolumeClaims(namespace).Get(t.Context(), name, metav1.GetOptions{})
	return err == nil && claim.Status.Phase == corev1.ClaimBound, err
}

// waitsForAPod reports whether the volume controller has said that it leaves the claim unbound until a pod uses it.
func waitsForAPod(t *testing.T, client *kubernetes.Clientset, name string) (bool, error) {
	events, err := client.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{
		FieldSelector: "reason=WaitForFirstConsumer,involvedObject.kind=PersistentVolumeClaim,involvedObject.name=" + name,
	})
	return err == nil && len(events.Items) > 0, err
}

// createSnapshot returns when the snapshot is ready.
func createSnapshot(t *testing.T, c *node.Cluster, name, claim string) {
	t.Helper()
	config, err := c.Config()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	snapshots := client.Resource(schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}).Namespace(namespace)
	snapshot := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"volumeSnapshotClassName": "vk-snap", "source": map[string]any{"persistentVolumeClaimName": claim}},
	}}
	if _, err := snapshots.Create(t.Context(), snapshot, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "snapshot ready", func() (bool, error) {
		got, err := snapshots.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		ready, _, err := unstructured.NestedBool(got.Object, "status", "readyToUse")
		return ready, err
	})
}

func podSpec(claim, script string) corev1.PodSpec {
	yes, no, user := true, false, int64(1000)
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, FSGroup: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "c", Image: node.BusyboxImage, Command: []string{"sh", "-ec", script},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			VolumeMounts:    []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}},
	}
}

// runJob returns what the script printed.
func runJob(t *testing.T, client *kubernetes.Clientset, name, claim, script string) string {
	t.Helper()
	retries := int32(0)
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: batchv1.JobSpec{BackoffLimit: &retries}}
	job.Spec.Template.Spec = podSpec(claim, script)
	if _, err := client.BatchV1().Jobs(namespace).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Job "+name+" complete", func() (bool, error) {
		got, err := client.BatchV1().Jobs(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && got.Status.CompletionTime != nil, err
	})
	pods, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + name})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("Job %s has %d pods (%v)", name, len(pods.Items), err)
	}
	return logs(t, client, pods.Items[0].Name)
}

func runningPod(t *testing.T, client *kubernetes.Clientset, claim string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "running"}, Spec: podSpec(claim, "trap : TERM; while :; do sleep 1; done")}
	if _, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	eventually(t, "pod running", func() (bool, error) {
		got, err := client.CoreV1().Pods(namespace).Get(t.Context(), "running", metav1.GetOptions{})
		return err == nil && got.Status.Phase == corev1.PodRunning, err
	})
}

func logs(t *testing.T, client *kubernetes.Clientset, pod string) string {
	t.Helper()
	data, err := client.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
