package suite

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

const maintenanceText = `apiVersion: volsync.backube/v1alpha1
kind: KopiaMaintenance
metadata: {name: upkeep, namespace: NAMESPACE}
spec:
  repository: {repository: upkeep-config}
  trigger: {schedule: "0 2 * * *"}
  cacheCapacity: 512Mi
  cacheAccessModes: [ReadWriteOnce]
  moverVolumes:
  - mountPath: repo
    volumeSource: {persistentVolumeClaim: {claimName: repo}}
`

func maintenances() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "kopiamaintenances"}
}

// maintained is a namespace with a backup in its repository and a KopiaMaintenance for
// it, in the cluster and in a file, which the runner may run.
type maintained struct {
	*space
	file string
}

func newMaintained(t testing.TB) *maintained {
	t.Helper()
	if err := definitions(); err != nil {
		t.Fatal(err)
	}
	m := &maintained{space: newSpace(t, shape{CopyMethod: "Direct"})}
	m.backup(0, "--keep-job=0")
	m.secret("upkeep-config", map[string]string{"KOPIA_PASSWORD": password, "KOPIA_REPOSITORY": "filesystem:///mnt/repo/repository"})
	text := strings.ReplaceAll(maintenanceText, "NAMESPACE", m.name)
	m.file = filepath.Join(t.TempDir(), "maintenance.yaml")
	m.must(os.WriteFile(m.file, []byte(text), 0o600))
	o := &unstructured.Unstructured{}
	m.must(yaml.Unmarshal([]byte(text), &o.Object))
	_, err := shared.dynamic.Resource(maintenances()).Namespace(m.name).Create(t.Context(), o, metav1.CreateOptions{})
	m.must(err)
	meta := metav1.ObjectMeta{Name: "upkeep"}
	group := []string{maintenances().Group}
	m.grant(rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: group, Resources: []string{"kopiamaintenances"}, Verbs: []string{"get"}},
		{APIGroups: group, Resources: []string{"kopiamaintenances/status"}, Verbs: []string{"patch"}},
	}}, rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: runner, Namespace: m.name}},
	})
	return m
}

// command are the arguments of a maintenance.
func (m *maintained) command(args ...string) []string {
	return append([]string{"maintenance", "-f", m.file, "-o", "json", "--progress=plain"}, args...)
}

// maintain runs the maintenance and returns its Result.
func (m *maintained) maintain(code int, args ...string) result.Result {
	m.t.Helper()
	return call(m.t, m.command(args...)...).result(m.t, code)
}

// recorded are the cycles that bare kopia finds on record, and how often each succeeded.
func (m *maintained) recorded() map[string]int {
	m.t.Helper()
	var info struct {
		Schedule struct {
			Runs map[string][]struct{ Success bool }
		}
	}
	m.must(json.Unmarshal([]byte(m.client().Run(m.t, "maintenance", "info", "--json")), &info))
	cycles := map[string]int{}
	for name, runs := range info.Schedule.Runs {
		for _, run := range runs {
			if run.Success {
				cycles[name]++
			}
		}
	}
	return cycles
}

// status is the live object's.
func (m *maintained) status() (s struct {
	LastMaintenanceTime, NextScheduledMaintenance *metav1.Time
	MaintenanceFailures                           int
	Conditions                                    []metav1.Condition
},
) {
	m.t.Helper()
	o, err := shared.dynamic.Resource(maintenances()).Namespace(m.name).Get(m.t.Context(), "upkeep", metav1.GetOptions{})
	m.must(err)
	fields, _, err := unstructured.NestedMap(o.Object, "status")
	m.must(err)
	text, err := json.Marshal(fields)
	m.must(err)
	m.must(json.Unmarshal(text, &s))
	return s
}

// healthy is the status of the condition MaintenanceHealthy.
func (m *maintained) healthy() metav1.ConditionStatus {
	m.t.Helper()
	conditions := m.status().Conditions
	i := slices.IndexFunc(conditions, func(c metav1.Condition) bool { return c.Type == "MaintenanceHealthy" })
	if i < 0 {
		m.t.Fatalf("the conditions are %+v", conditions)
	}
	return conditions[i].Status
}

// kept are the names of what the maintenance keeps.
func (m *maintained) kept() (history, cache string) {
	sum := sha256.Sum256([]byte("KopiaMaintenance/" + m.name + "/upkeep"))
	end := "upkeep-" + hex.EncodeToString(sum[:])[:10]
	return "vk-status-" + end, "vk-cache-" + end
}

// TestAMaintenanceLeavesItsRecordStatusHistoryEventAndCache looks at all objects of all
// kinds before and after, and lets bare kopia read what was done.
func TestAMaintenanceLeavesItsRecordStatusHistoryEventAndCache(t *testing.T) {
	t.Parallel()
	m := newMaintained(t)
	before := m.atRest().objects()
	r := m.maintain(0, "--keep-job=0")
	if r.Outcome != result.Succeeded || r.Operation != result.OperationMaintenance || r.Maintenance == nil || r.Maintenance.Owner != "maintenance@volsync" {
		t.Fatalf("%+v", r)
	}
	cycles := m.recorded()
	for _, c := range r.Maintenance.Cycles {
		if cycles[c.Name] != 1 || c.Error != "" {
			t.Errorf("bare kopia does not find %+v: %v", c, cycles)
		}
	}
	if len(cycles) != len(r.Maintenance.Cycles) || cycles["snapshot-gc"] != 1 {
		t.Errorf("on record %v, in the Result %v", cycles, r.Maintenance.Cycles)
	}
	history, cache := m.kept()
	m.differs(before, "changed kopiamaintenances.volsync.backube/upkeep", "made configmaps/"+history,
		"made persistentvolumeclaims/"+cache, "made persistentvolumes/of "+cache)
	if s := m.status(); s.LastMaintenanceTime == nil || s.NextScheduledMaintenance == nil || s.MaintenanceFailures != 0 || m.healthy() != metav1.ConditionTrue {
		t.Errorf("the status is %+v", s)
	}
	events, err := shared.typed.CoreV1().Events(m.name).List(t.Context(), metav1.ListOptions{LabelSelector: "volsync-kopia/run=" + r.RunID})
	m.must(err)
	if len(events.Items) != 1 || events.Items[0].Reason != "MaintenanceSucceeded" || events.Items[0].InvolvedObject.Name != "upkeep" {
		t.Errorf("the events are %+v", events.Items)
	}
	before = m.atRest().objects()
	if second := m.maintain(0, "--keep-job=0"); second.Cache == nil || second.Cache.UsedBytes == 0 {
		t.Errorf("the second run's cache is %+v", second.Cache)
	}
	m.differs(before, "changed kopiamaintenances.volsync.backube/upkeep", "changed configmaps/"+history)
	m.sound()
}

// TestAMaintenanceIsRunOnceAndAKilledOneIsNone: kopia tries for 20 seconds to read a
// record that is a directory. Meanwhile another run is refused, and the mover is killed.
func TestAMaintenanceIsRunOnceAndAKilledOneIsNone(t *testing.T) {
	t.Parallel()
	m := newMaintained(t)
	record := filepath.Join(m.repository, "kopia.maintenance.f")
	m.must(os.Mkdir(record, 0o755))
	p := start(t, m.kubeconfig, m.command("--keep-job=0")...)
	mover := m.moverThatSays(`"phase":"repository"`)
	if end := call(t, m.command()...); end.code != 5 || !strings.Contains(end.stderr+end.stdout, "run") {
		t.Errorf("a second run ended with %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	m.must(shared.typed.CoreV1().Pods(m.name).Delete(t.Context(), mover, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}))
	if end := p.wait(); end.code != 1 {
		t.Errorf("the killed run ended with %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	m.must(os.Remove(record))
	if got := m.recorded(); len(got) != 0 {
		t.Errorf("on record is %v", got)
	}
	if s := m.status(); s.LastMaintenanceTime != nil || s.MaintenanceFailures != 1 || m.healthy() != metav1.ConditionFalse {
		t.Errorf("the status is %+v", s)
	}
	if r := m.maintain(0, "--keep-job=0"); r.Outcome != result.Succeeded {
		t.Errorf("the next run: %+v", r)
	}
	if s := m.status(); s.LastMaintenanceTime == nil || s.MaintenanceFailures != 0 || m.healthy() != metav1.ConditionTrue {
		t.Errorf("then the status is %+v", s)
	}
}

// moverThatSays waits for the mover that has this in its log, and returns its pod.
func (m *maintained) moverThatSays(text string) string {
	m.t.Helper()
	pods := shared.typed.CoreV1().Pods(m.name)
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) {
		list, err := pods.List(m.t.Context(), metav1.ListOptions{LabelSelector: moverLabel})
		m.must(err)
		for i := range list.Items {
			log, err := pods.GetLogs(list.Items[i].Name, &corev1.PodLogOptions{}).DoRaw(m.t.Context())
			if err == nil && strings.Contains(string(log), text) {
				return list.Items[i].Name
			}
		}
	}
	m.t.Fatalf("no mover says %q within a minute", text)
	return ""
}

// TestADetachedMaintenanceIsCollected by status, which nobody has given the right to
// list KopiaMaintenances.
func TestADetachedMaintenanceIsCollected(t *testing.T) {
	t.Parallel()
	m := newMaintained(t)
	if end := call(t, m.command("--detach")...); end.code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	m.untilRuns("Finished")
	var list struct {
		Items []struct {
			Object   result.ObjectRef
			Outcome  result.Outcome
			Last     *result.Result
			Snapshot *result.Snapshot
		}
	}
	call(t, "status", "upkeep", "-n", m.name, "-o", "json").decode(t, 0, &list)
	if len(list.Items) != 1 || list.Items[0].Object.Kind != "KopiaMaintenance" || list.Items[0].Outcome != result.Succeeded ||
		list.Items[0].Snapshot != nil || list.Items[0].Last.Maintenance == nil || len(list.Items[0].Last.Maintenance.Cycles) == 0 {
		t.Errorf("status says %+v", list)
	}
	if s := m.status(); s.LastMaintenanceTime == nil || m.healthy() != metav1.ConditionTrue {
		t.Errorf("the status is %+v", s)
	}
	if end := call(t, "status", "-n", m.name); end.code != 0 || !strings.Contains(end.stdout, "KopiaMaintenance/upkeep") {
		t.Errorf("exit code %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	if runs := m.runs(); len(runs) != 1 || runs[0].Object.Kind != "KopiaMaintenance" || runs[0].State != "Collected" {
		t.Errorf("the runs are %+v", runs)
	}
	if end := call(t, "cleanup", "-n", m.name); end.code != 0 {
		t.Errorf("cleanup ended with %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
}
