package csidriver

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NodePublishVolume mounts a volume at a path.
func (d *Driver) NodePublishVolume(_ context.Context, req *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	id, target := req.GetVolumeId(), req.GetTargetPath()
	if id == "" || target == "" {
		return nil, status.Error(codes.InvalidArgument, "the volume's id or the target path is missing")
	}
	if err := checkCapabilities(req.GetVolumeCapability()); err != nil {
		return nil, err
	}
	d.publishing.Lock()
	defer d.publishing.Unlock()
	v, err := d.store.load(volumes, id)
	if err != nil {
		return nil, err
	}
	mounts, err := d.loadMounts(id)
	if err != nil {
		return nil, err
	}
	mode := req.GetVolumeCapability().GetAccessMode().GetMode()
	want := mount{ReadOnly: req.GetReadonly() || readerOnly(mode), Exclusive: mode == csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER}
	if have, ok := mounts[target]; ok {
		if have.ReadOnly != want.ReadOnly {
			return nil, status.Errorf(codes.AlreadyExists, "volume %s is mounted at %s, read-only=%t", id, target, have.ReadOnly)
		}
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := d.mayMount(&v, mounts, want, target); err != nil {
		return nil, err
	}
	// Recorded before it is mounted: a record without a mount is dropped, a
	// mount without a record would be lost.
	mounts[target] = want
	if err := d.saveMounts(id, mounts); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, bind(d.store.data(volumes, id), target, want.ReadOnly)
}

// mayMount refuses a mount beside another one where the access mode or a fault
// says so, and where mounting shall fail.
func (d *Driver) mayMount(v *metadata, mounts map[string]mount, want mount, target string) error {
	faults, err := d.faults(v.Faults)
	if err != nil {
		return err
	}
	for other, m := range mounts {
		if want.Exclusive || m.Exclusive {
			return status.Errorf(codes.FailedPrecondition, "volume %s is for one pod and mounted at %s", v.ID, other)
		}
		if faults[SecondMount] == refused {
			return status.Errorf(codes.FailedPrecondition, "injected fault: %s=%s on %s, mounted at %s", SecondMount, refused, v.ID, other)
		}
	}
	return d.injector.failure(faults, NodePublishFails, v.ID+" at "+target)
}

func readerOnly(mode csi.VolumeCapability_AccessMode_Mode) bool {
	return mode == csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY ||
		mode == csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
}

// NodeUnpublishVolume unmounts the path and removes it. The volume need not
// exist any more.
func (d *Driver) NodeUnpublishVolume(_ context.Context, req *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	id, target := req.GetVolumeId(), req.GetTargetPath()
	if id == "" || target == "" {
		return nil, status.Error(codes.InvalidArgument, "the volume's id or the target path is missing")
	}
	d.publishing.Lock()
	defer d.publishing.Unlock()
	if err := unbind(target); err != nil {
		return nil, status.Errorf(codes.Internal, "unmount %s: %v", target, err)
	}
	// Only ever an empty directory: data behind a mount that is still there
	// must not be deleted with it.
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	mounts, err := d.loadMounts(id)
	if err != nil || mounts == nil {
		return &csi.NodeUnpublishVolumeResponse{}, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, d.saveMounts(id, mounts)
}
