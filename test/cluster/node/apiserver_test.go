package node_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/clustertest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
)

func clientFor(t *testing.T, c *node.Cluster) *kubernetes.Clientset {
	t.Helper()
	config, err := c.Config()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// eventually polls until f is true, a minute at most.
func eventually(t *testing.T, what string, f func() (bool, error)) {
	t.Helper()
	start := time.Now()
	for {
		done, err := f()
		if done && err == nil {
			t.Logf("%s after %s", what, time.Since(start).Round(10*time.Millisecond))
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("%s: not after a minute (%v)", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestAPIServer(t *testing.T) {
	c := clustertest.APIServer(t)
	client := clientFor(t, c)

	t.Run("classes and the snapshot API", func(t *testing.T) {
		modes := map[string]string{}
		list, err := client.StorageV1().StorageClasses().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range list.Items {
			modes[class.Name] = string(*class.VolumeBindingMode)
		}
		if modes["vk-immediate"] != "Immediate" || modes["vk-wait"] != "WaitForFirstConsumer" {
			t.Errorf("StorageClasses %v", modes)
		}
		const class = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses/vk-snap"
		if err := client.RESTClient().Get().AbsPath(class).Do(t.Context()).Error(); err != nil {
			t.Error(err)
		}
	})

	t.Run("every request is in the audit log", func(t *testing.T) {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "audited"}}
		_, err := client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{})
		if !apierrors.IsInvalid(err) {
			t.Errorf("a claim without access modes: %v", err)
		}
		if _, err := client.CoreV1().Secrets("default").Get(t.Context(), "audited", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("a missing Secret: %v", err)
		}
		seen := map[string]int{}
		for _, event := range auditLog(t, c) {
			if event.ObjectRef.Name == "audited" || event.ObjectRef.Resource == "persistentvolumeclaims" {
				seen[event.Verb+" "+event.ObjectRef.Resource] = event.ResponseStatus.Code
			}
		}
		if seen["create persistentvolumeclaims"] != 422 || seen["get secrets"] != 404 {
			t.Errorf("audit log has %v", seen)
		}
	})

	t.Run("Pod Security is enforced", func(t *testing.T) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "strict", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "root"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: node.BusyboxImage}}}}
		if _, err := client.CoreV1().Pods("strict").Create(t.Context(), pod, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("got %v, want Forbidden", err)
		}
	})
}

// Tests of several packages run at once, each with an API server of its own.
func TestTwoAPIServersAtOnce(t *testing.T) {
	first, second := clustertest.APIServer(t), clustertest.APIServer(t, "namespace")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
	if _, err := clientFor(t, first).CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	namespaces := clientFor(t, second).CoreV1().Namespaces()
	if _, err := namespaces.Get(t.Context(), "mine", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the other API server: %v, want NotFound", err)
	}
	// Only a controller ends the deletion of a namespace.
	if _, err := namespaces.Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "namespace deleted", func() (bool, error) {
		_, err := namespaces.Get(t.Context(), "mine", metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func TestDown(t *testing.T) {
	c := clustertest.APIServer(t)
	daemons, err := c.Running()
	if err != nil || len(daemons) != 2 {
		t.Fatalf("%d daemons run (%v), want etcd and the API server", len(daemons), err)
	}
	if err := c.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range daemons {
		if d.Record.Alive() {
			t.Errorf("%s is alive", d.Name)
		}
	}
	if _, err := os.Stat(c.Dir()); !os.IsNotExist(err) {
		t.Errorf("its folder is left (%v)", err)
	}
	if err := c.Down(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

type auditEvent struct {
	Verb           string
	ObjectRef      struct{ Resource, Name string }
	ResponseStatus struct{ Code int }
}

func auditLog(t *testing.T, c *node.Cluster) []auditEvent {
	t.Helper()
	data, err := os.ReadFile(c.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	var events []auditEvent
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditEvent
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		events = append(events, event)
	}
	return events
}
