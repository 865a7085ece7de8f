package csidriver_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// way is how a fault is set: by the class's parameters or by the control file.
type way struct {
	name  string
	class func(csidriver.Faults) map[string]string
	file  bool
}

func ways() []way {
	return []way{
		{"by class", func(f csidriver.Faults) map[string]string { return f }, false},
		{"by control file", func(csidriver.Faults) map[string]string { return nil }, true},
	}
}

// eachWay runs the test with the fault set in either way.
func eachWay(t *testing.T, f csidriver.Faults, test func(t *testing.T, d *driver, parameters map[string]string)) {
	t.Helper()
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t)
			if w.file {
				d.switchFaults(f)
			}
			test(t, d, w.class(f))
		})
	}
}

func TestSnapshotIsReadyLater(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.SnapshotReadyAfter: "30s"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", nil))
		for _, step := range []struct {
			pass time.Duration
			want bool
		}{{0, false}, {29 * time.Second, false}, {time.Second, true}} {
			d.pass(step.pass)
			s := d.snapshot("s", v, parameters)
			if s.GetReadyToUse() != step.want {
				t.Errorf("after %s more: ready=%t", step.pass, s.GetReadyToUse())
			}
			got, err := d.GetSnapshot(t.Context(), &csi.GetSnapshotRequest{SnapshotId: s.GetSnapshotId()})
			if err != nil || got.GetSnapshot().GetReadyToUse() != step.want {
				t.Errorf("GetSnapshot after %s more: %v, %v", step.pass, got, err)
			}
		}
	})
}

func TestSnapshotIsNeverReady(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.SnapshotReadyAfter: "never"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", nil))
		d.snapshot("s", v, parameters)
		d.pass(1000 * time.Hour)
		s := d.snapshot("s", v, parameters)
		if s.GetReadyToUse() {
			t.Error("ready after 1000 hours")
		}
		req := volumeRequest("restored", nil)
		req.VolumeContentSource = fromSnapshot(s.GetSnapshotId())
		_, err := d.CreateVolume(t.Context(), req)
		wantCode(t, "a volume from a snapshot that is not ready", err, codes.Aborted)

		// The control file goes before the class and acts at once.
		d.switchFaults(csidriver.Faults{csidriver.SnapshotReadyAfter: "0"})
		if !d.snapshot("s", v, parameters).GetReadyToUse() {
			t.Error("not ready with the fault lifted")
		}
		d.volume(req)
	})
}

func TestSnapshotFailsSomeTimes(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.CreateSnapshotFails: "2"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", nil))
		for _, name := range []string{"s", "another"} {
			req := &csi.CreateSnapshotRequest{Name: name, SourceVolumeId: v, Parameters: parameters}
			for _, want := range []codes.Code{codes.Unavailable, codes.Unavailable, codes.OK, codes.OK} {
				_, err := d.CreateSnapshot(t.Context(), req)
				wantCode(t, "CreateSnapshot "+name, err, want)
			}
		}
	})
}

func TestSnapshotFailsAlways(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.CreateSnapshotFails: "always"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", nil))
		for range 5 {
			_, err := d.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: v, Parameters: parameters})
			wantCode(t, "CreateSnapshot", err, codes.Internal)
		}
		all, err := d.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{})
		if err != nil || len(all.GetEntries()) != 0 {
			t.Errorf("snapshots after failures: %v, %v", all, err)
		}
	})
}

func TestDeletingSnapshotFails(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.DeleteSnapshotFails: "1"}, func(t *testing.T, d *driver, parameters map[string]string) {
		s := d.snapshot("s", d.volume(volumeRequest("v", nil)), parameters)
		req := &csi.DeleteSnapshotRequest{SnapshotId: s.GetSnapshotId()}
		_, err := d.DeleteSnapshot(t.Context(), req)
		wantCode(t, "first DeleteSnapshot", err, codes.Unavailable)
		for range 2 {
			_, err = d.DeleteSnapshot(t.Context(), req)
			wantCode(t, "later DeleteSnapshot", err, codes.OK)
		}
	})
}

func TestCloneIsNeverBound(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.CloneReadyAfter: "never"}, func(t *testing.T, d *driver, parameters map[string]string) {
		// An empty volume of the class, and one from a snapshot, are no clones.
		v := d.volume(volumeRequest("v", parameters))
		restored := volumeRequest("restored", parameters)
		restored.VolumeContentSource = fromSnapshot(d.snapshot("s", v, nil).GetSnapshotId())
		d.volume(restored)

		req := volumeRequest("clone", parameters)
		req.VolumeContentSource = fromVolume(v)
		for range 3 {
			_, err := d.CreateVolume(t.Context(), req)
			wantCode(t, "CreateVolume", err, codes.Aborted)
			d.pass(1000 * time.Hour)
		}
		d.switchFaults(csidriver.Faults{csidriver.CloneReadyAfter: "0"})
		d.volume(req)
	})
}

func TestVolumeFromSnapshotIsBoundLater(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.RestoreReadyAfter: "1m"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", parameters))
		clone := volumeRequest("clone", parameters)
		clone.VolumeContentSource = fromVolume(v)
		d.volume(clone)

		req := volumeRequest("restored", parameters)
		req.VolumeContentSource = fromSnapshot(d.snapshot("s", v, nil).GetSnapshotId())
		for _, want := range []codes.Code{codes.Aborted, codes.Aborted, codes.OK} {
			_, err := d.CreateVolume(t.Context(), req)
			wantCode(t, "CreateVolume", err, want)
			d.pass(30 * time.Second)
		}
	})
}

func TestVolumeFails(t *testing.T) {
	t.Parallel()
	eachWay(t, csidriver.Faults{csidriver.CreateVolumeFails: "1"}, func(t *testing.T, d *driver, parameters map[string]string) {
		for _, want := range []codes.Code{codes.Unavailable, codes.OK, codes.OK} {
			_, err := d.CreateVolume(t.Context(), volumeRequest("v", parameters))
			wantCode(t, "CreateVolume", err, want)
		}
	})
}

func TestSecondMountIsRefused(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	eachWay(t, csidriver.Faults{csidriver.SecondMount: "refused"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", parameters))
		wantCode(t, "first mount", d.publish(v, "a", readWriteOnce), codes.OK)
		wantCode(t, "first mount again", d.publish(v, "a", readWriteOnce), codes.OK)
		wantCode(t, "second mount", d.publish(v, "b", readWriteOnce), codes.FailedPrecondition)
		if _, err := os.Stat(filepath.Join(d.dir, "b")); err == nil {
			t.Error("the refused mount left its target")
		}
		d.unpublish(v, "a")
		wantCode(t, "mount after the first is gone", d.publish(v, "b", readWriteOnce), codes.OK)
		d.switchFaults(csidriver.Faults{csidriver.SecondMount: "allowed"})
		wantCode(t, "second mount with the fault lifted", d.publish(v, "a", readWriteOnce), codes.OK)
	})
}

func TestMountFails(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	eachWay(t, csidriver.Faults{csidriver.NodePublishFails: "2"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", parameters))
		for _, at := range []string{"a", "b"} {
			for _, want := range []codes.Code{codes.Unavailable, codes.Unavailable, codes.OK} {
				wantCode(t, "mount at "+at, d.publish(v, at, readWriteOnce), want)
			}
		}
	})
}

func TestMountFailsAlways(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	eachWay(t, csidriver.Faults{csidriver.NodePublishFails: "always"}, func(t *testing.T, d *driver, parameters map[string]string) {
		v := d.volume(volumeRequest("v", parameters))
		for range 5 {
			wantCode(t, "mount", d.publish(v, "a", readWriteOnce), codes.Internal)
		}
		if left := mountsUnder(t, d.dir); len(left) > 0 {
			t.Errorf("mounts left: %q", left)
		}
	})
}

// TestBadFault: a fault that cannot be understood is refused, so that no test
// passes because its fault never happened.
func TestBadFault(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]csidriver.Faults{
		"unknown name":         {"snapshotReadAfter": "1s"},
		"count that is none":   {csidriver.CreateSnapshotFails: "often"},
		"negative count":       {csidriver.CreateSnapshotFails: "-1"},
		"delay without a unit": {csidriver.SnapshotReadyAfter: "30"},
		"negative delay":       {csidriver.CloneReadyAfter: "-1s"},
		"word of another":      {csidriver.SecondMount: "never"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t)
			_, err := d.CreateVolume(t.Context(), volumeRequest("v", f))
			wantCode(t, "CreateVolume", err, codes.InvalidArgument)
			data := filepath.Join(d.dir, "data")
			if err := csidriver.WriteFaults(data, f); err == nil {
				t.Error("WriteFaults took it")
			}
			if err := os.WriteFile(filepath.Join(data, "faults.json"), []byte(`{"snapshotReadAfter":"1s"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = d.CreateVolume(t.Context(), volumeRequest("v", nil))
			wantCode(t, "CreateVolume with a bad control file", err, codes.Internal)
		})
	}
}
