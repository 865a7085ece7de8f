package csidriver_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
)

func TestMountedTwice(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	wantCode(t, "first mount", d.publish(v, "a", readWriteOnce), codes.OK)
	wantCode(t, "second mount", d.publish(v, "b", readWriteOnce), codes.OK)
	write(t, filepath.Join(d.dir, "a"), "file")
	if _, err := os.Stat(filepath.Join(d.dir, "b", "file")); err != nil {
		t.Errorf("the file through the other mount: %v", err)
	}
	_, err := d.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: v})
	wantCode(t, "DeleteVolume while mounted", err, codes.FailedPrecondition)
	d.unpublish(v, "a")
	d.unpublish(v, "b")
	d.unpublish(v, "b") // a second time is no error
	if left := mountsUnder(t, d.dir); len(left) > 0 {
		t.Errorf("mounts left: %q", left)
	}
	_, err = d.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: v})
	wantCode(t, "DeleteVolume", err, codes.OK)
	d.unpublish(v, "a") // the volume is gone: no error either
}

func TestForOnePod(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	wantCode(t, "first mount", d.publish(v, "a", readWriteOncePod), codes.OK)
	wantCode(t, "second mount", d.publish(v, "b", readWriteOncePod), codes.FailedPrecondition)
	wantCode(t, "second mount of another mode", d.publish(v, "b", readWriteOnce), codes.FailedPrecondition)
	// A mount that went away without the driver does not block the volume.
	if err := unix.Unmount(filepath.Join(d.dir, "a"), 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "mount after that", d.publish(v, "b", readWriteOncePod), codes.OK)
}

func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	write(t, d.files("volumes", v), "file")
	wantCode(t, "mount for readers", d.publish(v, "many", readOnlyMany), codes.OK)
	asked := &csi.NodePublishVolumeRequest{
		VolumeId: v, TargetPath: filepath.Join(d.dir, "asked"), VolumeCapability: mounted(readWriteOnce), Readonly: true,
	}
	_, err := d.NodePublishVolume(t.Context(), asked)
	wantCode(t, "mount that is asked to be read-only", err, codes.OK)
	t.Cleanup(func() { d.unpublish(v, "asked") })
	for _, at := range []string{"many", "asked"} {
		if _, err := os.ReadFile(filepath.Join(d.dir, at, "file")); err != nil {
			t.Errorf("read through %s: %v", at, err)
		}
		if err := os.WriteFile(filepath.Join(d.dir, at, "file"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("write through %s: %v", at, err)
		}
	}
	asked.Readonly = false
	_, err = d.NodePublishVolume(t.Context(), asked)
	wantCode(t, "the same path to write", err, codes.AlreadyExists)
	wantCode(t, "mount to write elsewhere", d.publish(v, "rw", readWriteOnce), codes.OK)
	write(t, filepath.Join(d.dir, "rw"), "file")
}

// TestUnpublishKeepsData: a target that is no mount and holds files is not
// deleted.
func TestUnpublishKeepsData(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	write(t, filepath.Join(d.dir, "target"), "file")
	_, err := d.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: v, TargetPath: filepath.Join(d.dir, "target")})
	if err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(d.dir, "target", "file")); err != nil {
		t.Error(err)
	}
}
