package csidriver_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, c := range map[string]struct {
		ask        *csi.CapacityRange
		parameters map[string]string
		clone      bool // of a volume of 8 MiB
		want       int64
		code       codes.Code
	}{
		"as asked":                        {ask: &csi.CapacityRange{RequiredBytes: 3 * mib}, want: 3 * mib},
		"nothing asked":                   {want: 1 << 30},
		"only a limit":                    {ask: &csi.CapacityRange{LimitBytes: 5}, want: 5},
		"rounded up":                      {ask: &csi.CapacityRange{RequiredBytes: 5*mib + 1}, parameters: map[string]string{"granularity": "4Mi"}, want: 8 * mib},
		"a multiple stays":                {ask: &csi.CapacityRange{RequiredBytes: 8 * mib}, parameters: map[string]string{"granularity": "4Mi"}, want: 8 * mib},
		"rounded beyond the limit":        {ask: &csi.CapacityRange{RequiredBytes: 1, LimitBytes: mib}, parameters: map[string]string{"granularity": "4Mi"}, code: codes.OutOfRange},
		"more than the disk":              {ask: &csi.CapacityRange{RequiredBytes: 1 << 60}, code: codes.ResourceExhausted},
		"negative":                        {ask: &csi.CapacityRange{RequiredBytes: -1}, code: codes.InvalidArgument},
		"granularity that is no size":     {parameters: map[string]string{"granularity": "much"}, code: codes.InvalidArgument},
		"a clone is as large":             {clone: true, want: 8 * mib},
		"a clone may be larger":           {clone: true, ask: &csi.CapacityRange{RequiredBytes: 9 * mib}, want: 9 * mib},
		"a clone must not be smaller":     {clone: true, ask: &csi.CapacityRange{RequiredBytes: 7 * mib}, code: codes.OutOfRange},
		"a limit smaller than the source": {clone: true, ask: &csi.CapacityRange{LimitBytes: 7 * mib}, code: codes.OutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t)
			req := volumeRequest("v", c.parameters)
			req.CapacityRange = c.ask
			if c.clone {
				of := volumeRequest("source", nil)
				of.CapacityRange.RequiredBytes = 8 * mib
				req.VolumeContentSource = fromVolume(d.volume(of))
			}
			r, err := d.CreateVolume(t.Context(), req)
			wantCode(t, "CreateVolume", err, c.code)
			if err != nil {
				return
			}
			if got := r.GetVolume().GetCapacityBytes(); got != c.want {
				t.Errorf("capacity %d, want %d", got, c.want)
			}
			s := d.snapshot("s", r.GetVolume().GetVolumeId(), nil)
			if s.GetSizeBytes() != c.want {
				t.Errorf("size of the snapshot %d, want %d", s.GetSizeBytes(), c.want)
			}
		})
	}
}

// TestRepeatedCreate: the same request gets the same volume, another request
// of the same name is refused.
func TestRepeatedCreate(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	other := d.volume(volumeRequest("other", nil))
	id := d.volume(volumeRequest("v", nil))
	write(t, d.files("volumes", id), "kept")
	if again := d.volume(volumeRequest("v", nil)); again != id {
		t.Errorf("second id %s, want %s", again, id)
	}
	if _, err := os.Stat(filepath.Join(d.files("volumes", id), "kept")); err != nil {
		t.Errorf("data after the second request: %v", err)
	}
	for name, change := range map[string]func(*csi.CreateVolumeRequest){
		"another size":   func(r *csi.CreateVolumeRequest) { r.CapacityRange.RequiredBytes *= 2 },
		"another source": func(r *csi.CreateVolumeRequest) { r.VolumeContentSource = fromVolume(other) },
		"another class":  func(r *csi.CreateVolumeRequest) { r.Parameters = map[string]string{csidriver.SecondMount: "refused"} },
	} {
		req := volumeRequest("v", nil)
		change(req)
		_, err := d.CreateVolume(t.Context(), req)
		wantCode(t, name, err, codes.AlreadyExists)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	for name, c := range map[string]struct {
		change func(*csi.CreateVolumeRequest)
		want   codes.Code
	}{
		"block volume": {func(r *csi.CreateVolumeRequest) {
			r.VolumeCapabilities[0].AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
		}, codes.InvalidArgument},
		"mount options": {func(r *csi.CreateVolumeRequest) {
			r.VolumeCapabilities[0].GetMount().MountFlags = []string{"noexec"}
		}, codes.InvalidArgument},
		"no access mode": {func(r *csi.CreateVolumeRequest) {
			r.VolumeCapabilities[0].AccessMode = nil
		}, codes.InvalidArgument},
		"mode that is none": {func(r *csi.CreateVolumeRequest) {
			r.Parameters = map[string]string{"rootMode": "0999"}
		}, codes.InvalidArgument},
		"snapshot that is none": {func(r *csi.CreateVolumeRequest) {
			r.VolumeContentSource = fromSnapshot("../volumes")
		}, codes.NotFound},
	} {
		req := volumeRequest(name, nil)
		c.change(req)
		_, err := d.CreateVolume(t.Context(), req)
		wantCode(t, name, err, c.want)
	}
}

// TestSidecarParameters: what the provisioner adds is not taken for a fault.
func TestSidecarParameters(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	id := d.volume(volumeRequest("v", map[string]string{"csi.storage.k8s.io/pvc/name": "data", "rootMode": "0755"}))
	info, err := os.Stat(d.files("volumes", id))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o755 {
		t.Errorf("mode of the root %v, want 0755", got)
	}
}

func TestTopology(t *testing.T) {
	t.Parallel()
	opts := options(t.TempDir())
	opts.Topology = map[string]string{"zone": "a"}
	d, err := csidriver.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	for zone, want := range map[string]codes.Code{"a": codes.OK, "b": codes.ResourceExhausted} {
		req := volumeRequest("in-"+zone, nil)
		req.AccessibilityRequirements = &csi.TopologyRequirement{Requisite: []*csi.Topology{{Segments: map[string]string{"zone": zone}}}}
		r, err := d.CreateVolume(t.Context(), req)
		wantCode(t, "volume in zone "+zone, err, want)
		if err == nil && r.GetVolume().GetAccessibleTopology()[0].GetSegments()["zone"] != zone {
			t.Errorf("zone %s: reachable from %v", zone, r.GetVolume().GetAccessibleTopology())
		}
	}
	elsewhere, err := d.GetCapacity(t.Context(), &csi.GetCapacityRequest{AccessibleTopology: &csi.Topology{Segments: map[string]string{"zone": "b"}}})
	if err != nil || elsewhere.GetAvailableCapacity() != 0 {
		t.Errorf("capacity elsewhere: %v, %v", elsewhere, err)
	}
}

// TestInterruptedWork: what a killed driver left half made is neither listed
// nor kept.
func TestInterruptedWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	half := filepath.Join(dir, "data", "snapshots", ".new-snapshot-x")
	write(t, half, "file")
	d, err := csidriver.New(options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("the half snapshot is still there")
	}
	all, err := d.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{})
	if err != nil || len(all.GetEntries()) != 0 {
		t.Errorf("snapshots: %v, %v", all, err)
	}
}

// TestRestart: volumes and snapshots outlive the driver.
func TestRestart(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	s := d.snapshot("s", v, map[string]string{csidriver.SnapshotReadyAfter: "never"})
	again, err := csidriver.New(options(d.dir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := again.GetSnapshot(t.Context(), &csi.GetSnapshotRequest{SnapshotId: s.GetSnapshotId()})
	if err != nil || r.GetSnapshot().GetSourceVolumeId() != v || r.GetSnapshot().GetReadyToUse() {
		t.Errorf("the snapshot after a restart: %v, %v", r, err)
	}
}

// write makes a file in a directory, which it makes too.
func write(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}
}
