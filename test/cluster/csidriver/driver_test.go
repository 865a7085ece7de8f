package csidriver_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// driver is a driver under test, with a clock that the test moves.
type driver struct {
	*csidriver.Driver
	t   *testing.T
	dir string

	mu  sync.Mutex
	now time.Time
}

func options(dir string) csidriver.Options {
	return csidriver.Options{NodeID: "127.0.0.1", DataDir: filepath.Join(dir, "data"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func newDriver(t *testing.T) *driver {
	t.Helper()
	d := &driver{t: t, dir: t.TempDir(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	opts := options(d.dir)
	opts.Now = d.clock
	var err error
	if d.Driver, err = csidriver.New(opts); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *driver) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// pass lets time go by.
func (d *driver) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// switchFaults writes the control file.
func (d *driver) switchFaults(f csidriver.Faults) {
	d.t.Helper()
	if err := csidriver.WriteFaults(filepath.Join(d.dir, "data"), f); err != nil {
		d.t.Fatal(err)
	}
}

// files is where a volume's or snapshot's data lies on the host.
func (d *driver) files(kind, id string) string {
	return filepath.Join(d.dir, "data", kind, id, "data")
}

type capability = csi.VolumeCapability_AccessMode_Mode

const (
	readWriteOnce    = csi.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER
	readWriteOncePod = csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER
	readOnlyMany     = csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
)

func mounted(mode capability) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode},
	}
}

// volumeRequest asks for a volume of 1 MiB.
func volumeRequest(name string, parameters map[string]string) *csi.CreateVolumeRequest {
	return &csi.CreateVolumeRequest{
		Name:               name,
		CapacityRange:      &csi.CapacityRange{RequiredBytes: 1 << 20},
		VolumeCapabilities: []*csi.VolumeCapability{mounted(readWriteOnce)},
		Parameters:         parameters,
	}
}

func fromVolume(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: id}}}
}

func fromSnapshot(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: id}}}
}

// volume makes a volume that must succeed and returns its id.
func (d *driver) volume(req *csi.CreateVolumeRequest) string {
	d.t.Helper()
	r, err := d.CreateVolume(d.t.Context(), req)
	if err != nil {
		d.t.Fatalf("CreateVolume %s: %v", req.GetName(), err)
	}
	return r.GetVolume().GetVolumeId()
}

// snapshot makes a snapshot that must succeed.
func (d *driver) snapshot(name, volume string, parameters map[string]string) *csi.Snapshot {
	d.t.Helper()
	r, err := d.CreateSnapshot(d.t.Context(), &csi.CreateSnapshotRequest{Name: name, SourceVolumeId: volume, Parameters: parameters})
	if err != nil {
		d.t.Fatalf("CreateSnapshot %s: %v", name, err)
	}
	return r.GetSnapshot()
}

// publish mounts a volume below the test's directory and unmounts it at the
// end of the test.
func (d *driver) publish(id, at string, mode capability) error {
	d.t.Helper()
	target := filepath.Join(d.dir, at)
	_, err := d.NodePublishVolume(d.t.Context(), &csi.NodePublishVolumeRequest{VolumeId: id, TargetPath: target, VolumeCapability: mounted(mode)})
	if err == nil {
		d.t.Cleanup(func() { d.unpublish(id, at) })
	}
	return err
}

func (d *driver) unpublish(id, at string) {
	d.t.Helper()
	_, err := d.NodeUnpublishVolume(d.t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: filepath.Join(d.dir, at)})
	if err != nil {
		d.t.Errorf("NodeUnpublishVolume %s at %s: %v", id, at, err)
	}
}

// wantCode checks the outcome of a call; what names the call.
func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

// mountsUnder lists the mounts below a directory.
func mountsUnder(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); strings.HasPrefix(fields[4], dir+"/") {
			found = append(found, fields[4])
		}
	}
	return found
}
