package suite

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// password is the repository's, a canary: it must be found nowhere.
const password = "canary-7f3a-repository-password"

// space is one test's namespace: a claim "data" with real files, a claim "repo"
// for the repository, and a source.
type space struct {
	t    testing.TB
	name string
	// kubeconfig is the runner's.
	kubeconfig string
	// seesVolumes is true for a runner that may look at what belongs to no namespace.
	seesVolumes bool
	// file is the manifest, data and repository the volumes' directories on this
	// machine.
	file, data, repository string
}

// shape is what differs between sources.
type shape struct {
	Name       string
	CopyMethod string
	// Class is the StorageClass of the data claim.
	Class string
	// Kopia are further lines of spec.kopia, indented by four spaces.
	Kopia string
	// Privileged allows a mover that reads any file; then the data has files of
	// several owners that nobody else may read.
	Privileged bool
	// Trigger is YAML of spec.trigger on one line, or empty.
	Trigger string
}

const sourceText = `apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: {{.Name}}, namespace: {{.Namespace}}}
spec:
  sourcePVC: data
{{- if .Trigger}}
  trigger: {{.Trigger}}
{{- end}}
  kopia:
    repository: kopia-config
    repositoryPVC: repo
{{- if .CopyMethod}}
    copyMethod: {{.CopyMethod}}
{{- end}}
{{.Kopia}}
`

// newSpace makes a namespace with populated claims and a source of the shape. It
// goes when the test ends.
func newSpace(t testing.TB, s shape) *space {
	t.Helper()
	n := &space{t: t, name: "vk-" + strings.ToLower(rand.Text()[:8])}
	if s.Class == "" {
		s.Class = "vk-immediate"
	}
	if s.Name == "" {
		s.Name = "app"
	}
	meta := metav1.ObjectMeta{Name: n.name}
	if s.Privileged {
		meta.Annotations = map[string]string{"volsync.backube/privileged-movers": "true"}
	} else {
		meta.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	}
	_, err := shared.typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{})
	n.must(err)
	t.Cleanup(n.remove)
	n.data = n.claim("data", s.Class, corev1.ReadWriteOnce)
	n.repository = filepath.Join(n.claim("repo", "vk-immediate", corev1.ReadWriteOnce), "repository")
	n.secret("kopia-config", map[string]string{"KOPIA_PASSWORD": password, "KOPIA_REPOSITORY": "filesystem:///kopia/repository"})
	n.populate(s.Privileged)
	n.write(s)
	n.employ()
	if s.Privileged {
		// Only who may read the namespace knows that it allows such movers.
		n.grantCluster(n.printedRoles().facts)
	}
	return n
}

// write writes the source's manifest.
func (n *space) write(s shape) {
	n.t.Helper()
	n.file = filepath.Join(n.t.TempDir(), "source.yaml")
	out, err := os.Create(n.file)
	n.must(err)
	defer out.Close()
	n.must(template.Must(template.New("source").Parse(sourceText)).Execute(out, struct {
		shape
		Namespace string
	}{s, n.name}))
}

// secret makes a Secret.
func (n *space) secret(name string, data map[string]string) {
	n.t.Helper()
	_, err := shared.typed.CoreV1().Secrets(n.name).Create(n.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data,
	}, metav1.CreateOptions{})
	n.must(err)
}

// claim makes a claim and returns its volume's directory on this machine, which
// for a class that waits for its consumer takes a pod.
func (n *space) claim(name, class string, modes ...corev1.PersistentVolumeAccessMode) string {
	n.t.Helper()
	claims := shared.typed.CoreV1().PersistentVolumeClaims(n.name)
	_, err := claims.Create(n.t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: modes,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}, metav1.CreateOptions{})
	n.must(err)
	if class == "vk-wait" {
		n.consume(name)
	}
	var volume string
	n.until("claim "+name+" is bound", func(ctx context.Context) bool {
		c, err := claims.Get(ctx, name, metav1.GetOptions{})
		n.must(err)
		volume = c.Spec.VolumeName
		return c.Status.Phase == corev1.ClaimBound
	})
	return n.directory(volume)
}

// directory is where the driver keeps a volume.
func (n *space) directory(volume string) string {
	n.t.Helper()
	v, err := shared.typed.CoreV1().PersistentVolumes().Get(n.t.Context(), volume, metav1.GetOptions{})
	n.must(err)
	return filepath.Join(shared.volumes, "volumes", v.Spec.CSI.VolumeHandle, "data")
}

// consume runs a pod that uses the claim, and removes it.
func (n *space) consume(claim string) {
	n.t.Helper()
	n.restrictedPod("binder", claim, "true")
	n.until("pod binder has ended", func(ctx context.Context) bool {
		p, err := shared.typed.CoreV1().Pods(n.name).Get(ctx, "binder", metav1.GetOptions{})
		n.must(err)
		return p.Status.Phase == corev1.PodSucceeded
	})
	n.must(shared.typed.CoreV1().Pods(n.name).Delete(n.t.Context(), "binder", metav1.DeleteOptions{}))
}

// pod runs a shell command as root in a pod that mounts the claim at /data.
func (n *space) pod(name, claim, script string) {
	n.t.Helper()
	n.podAs(&corev1.SecurityContext{RunAsUser: new(int64)}, name, claim, script)
}

// restrictedPod is the same in a pod that Pod Security admits everywhere.
func (n *space) restrictedPod(name, claim, script string) {
	n.t.Helper()
	user, yes, no := int64(65532), true, false
	n.podAs(&corev1.SecurityContext{
		RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}, name, claim, script)
}

func (n *space) podAs(security *corev1.SecurityContext, name, claim, script string) {
	n.t.Helper()
	grace := int64(1)
	_, err := shared.typed.CoreV1().Pods(n.name).Create(n.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{
				Name: "main", Image: moverImage, Command: []string{"sh", "-c", script},
				SecurityContext: security,
				VolumeMounts:    []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
			}}},
		},
	}, metav1.CreateOptions{})
	n.must(err)
}

// remove deletes the namespace and waits until it is gone.
func (n *space) remove() {
	ctx := context.WithoutCancel(n.t.Context())
	namespaces := shared.typed.CoreV1().Namespaces()
	if err := namespaces.Delete(ctx, n.name, metav1.DeleteOptions{}); err != nil {
		n.t.Errorf("delete namespace %s: %v", n.name, err)
		return
	}
	for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(200 * time.Millisecond) {
		if _, err := namespaces.Get(ctx, n.name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			return
		}
	}
	n.t.Errorf("namespace %s is still there after three minutes", n.name)
}

// until waits, and fails the test after a minute.
func (n *space) until(what string, done func(context.Context) bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	for !done(ctx) {
		if ctx.Err() != nil {
			n.t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (n *space) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(fmt.Errorf("namespace %s: %w", n.name, err))
	}
}
