package suite

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
)

// injectedInSnapshot is a VolumeSnapshot that has the driver's error.
const injectedInSnapshot = `"error":\{"message":.{1,400}?injected fault: createSnapshotFails=\w+`

// storageFaults are the CSI driver's, each for classes of the row's own.
func storageFaults() []faultRow {
	return []faultRow{
		{
			name: "snapshot error, transient", snapshots: map[string]string{csidriver.CreateSnapshotFails: "2"},
			meet: func(f *faulted) ended {
				end := f.backs()
				f.driverRefused("CreateSnapshot", 2) // the VolumeSnapshot may never show it
				return end
			},
			code: 0, says: "proved",
		},
		{
			name: "snapshot error, permanent", snapshots: map[string]string{csidriver.CreateSnapshotFails: "always"},
			meet: backsAndShows("volumesnapshots", injectedInSnapshot, "--ready-timeout=20s"), mend: remembered((*faulted).ordinary),
			code: 6, says: `last seen: .*injected fault: createSnapshotFails=always`,
		},
		{
			name: "snapshot never ready", snapshots: map[string]string{csidriver.SnapshotReadyAfter: "never"},
			meet: func(f *faulted) ended {
				end := backsAndShows("volumesnapshots", `"readyToUse":false`, "--ready-timeout=5s")(f)
				f.neverReady()
				return end
			},
			mend: remembered((*faulted).ordinary),
			code: 6, says: `not ready within 5s`,
		},
		{
			name: "snapshot cannot be deleted at first", snapshots: map[string]string{csidriver.DeleteSnapshotFails: "3"},
			meet: func(f *faulted) ended {
				end := f.backs()
				f.driverRefused("DeleteSnapshot", 3)
				return end
			},
			code: 0, says: "proved",
		},
		{
			name: "volume from the snapshot never bound", given: (*faulted).knows, storage: map[string]string{csidriver.RestoreReadyAfter: "never"},
			meet: backsAndShows("events", `injected fault: restoreReadyAfter=never`, "--bound-timeout=20s"), mend: remembered((*faulted).direct),
			code: 6, says: `last seen: .*injected fault: restoreReadyAfter`,
		},
		{
			name: "clone never bound", given: (*faulted).knows, shape: shape{CopyMethod: "Clone"}, storage: map[string]string{csidriver.CloneReadyAfter: "never"},
			meet: backsAndShows("events", `injected fault: cloneReadyAfter=never`, "--bound-timeout=20s"), mend: remembered((*faulted).direct),
			code: 6, says: `last seen: .*injected fault: cloneReadyAfter`,
		},
		{
			name: "second mount refused", shape: shape{CopyMethod: "Direct", Privileged: true}, storage: map[string]string{csidriver.SecondMount: "refused"},
			given: func(f *faulted) { f.mounts() },
			meet:  backsAndShows("events", `injected fault: secondMount`),
			mend: func(f *faulted) {
				f.unmounts()
				f.rests()
			},
			code: 1, says: `cannot start.*injected fault: secondMount`,
		},
	}
}

// remembered also looks whether status tells of a run that ran out of time before its
// mover could start.
func remembered(mend func(*faulted)) func(*faulted) {
	return func(f *faulted) {
		f.remembers("TimedOut")
		mend(f)
	}
}

// backsAndShows meets a fault that is in force from the beginning.
func backsAndShows(resource, pattern string, args ...string) func(*faulted) ended {
	return func(f *faulted) ended {
		f.t.Helper()
		end := f.backs(args...)
		f.happened(resource, pattern)
		return end
	}
}

// neverReady fails the test when the snapshot was ready at any time: one that becomes
// ready has been unready before.
func (f *faulted) neverReady() {
	f.t.Helper()
	for _, resource := range []string{"volumesnapshots", "volumesnapshotcontents"} {
		if found := f.seen.find(resource, regexp.MustCompile(`"readyToUse":true`)); found != "" {
			f.t.Fatalf("the fault did not happen: one of the %s was ready", resource)
		}
	}
	f.shows("never ready")
}

// driverRefused fails the test unless the driver's log has so many injected
// failures of a call for the snapshot of this namespace: what could not be deleted
// says so in no object that is still there.
func (f *faulted) driverRefused(call string, times int) {
	f.t.Helper()
	handle := f.seen.find("volumesnapshotcontents", regexp.MustCompile(`"snapshotHandle":"[^"]+"`))
	_, handle, _ = strings.Cut(handle, ":")
	log, err := os.ReadFile(filepath.Join(shared.dir, "log", "csidriver.log"))
	f.must(err)
	seen := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "call="+call+" ") && strings.Contains(line, " on "+handle+",") && strings.Contains(line, "injected fault") {
			seen++
		}
	}
	if handle == "" || seen != times {
		f.t.Fatalf("%s of snapshot %q failed %d times, want %d", call, handle, seen, times)
	}
	f.shows("%s failed %d times", call, seen)
}

// knows lets the runner read the facts of the cluster: whether a class binds at once
// decides which wait a claim has.
func (f *faulted) knows() {
	f.t.Helper()
	f.grantCluster(f.printedRoles().facts)
}

// ordinary makes the manifest use the snapshot class that has no fault.
func (f *faulted) ordinary() {
	f.t.Helper()
	_, rest, _ := strings.Cut(f.manifest(), "volumeSnapshotClassName: ")
	name, _, _ := strings.Cut(rest, "\n")
	f.edit(name, "vk-snap")
}

// direct makes the manifest copy nothing.
func (f *faulted) direct() {
	f.t.Helper()
	_, rest, _ := strings.Cut(f.manifest(), "copyMethod: ")
	method, _, _ := strings.Cut(rest, "\n")
	f.edit("copyMethod: "+method, "copyMethod: Direct")
}

// mounts runs a pod that has the data volume mounted.
func (f *faulted) mounts() {
	f.t.Helper()
	f.pod("holder", "data", "sleep 3600")
	f.until("pod holder runs", func(ctx context.Context) bool {
		p, err := shared.typed.CoreV1().Pods(f.name).Get(ctx, "holder", metav1.GetOptions{})
		f.must(err)
		return p.Status.Phase == "Running"
	})
}

// unmounts removes it.
func (f *faulted) unmounts() {
	f.t.Helper()
	pods := shared.typed.CoreV1().Pods(f.name)
	f.must(pods.Delete(f.t.Context(), "holder", metav1.DeleteOptions{}))
	f.until("pod holder is gone", func(ctx context.Context) bool {
		_, err := pods.Get(ctx, "holder", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// storageClass makes a class with these parameters, for one test.
func storageClass(t testing.TB, parameters map[string]string) string {
	t.Helper()
	name := "vk-fault-" + strings.ToLower(rand.Text()[:8])
	classes := shared.typed.StorageV1().StorageClasses()
	_, err := classes.Create(t.Context(), &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: node.DriverName, Parameters: parameters,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := classes.Delete(contextOf(t), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return name
}

func snapshotClasses() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}
}

// snapshotClass makes a VolumeSnapshotClass with these parameters, for one test.
func snapshotClass(t testing.TB, parameters map[string]string) string {
	t.Helper()
	name := "vk-fault-" + strings.ToLower(rand.Text()[:8])
	values := map[string]any{}
	for key, value := range parameters {
		values[key] = value
	}
	classes := shared.dynamic.Resource(snapshotClasses())
	_, err := classes.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": map[string]any{"name": name},
		"driver": node.DriverName, "deletionPolicy": "Delete", "parameters": values,
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := classes.Delete(contextOf(t), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return name
}

// contextOf outlives the test, for its clean-up.
func contextOf(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }
