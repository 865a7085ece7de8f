package csidriver

import (
	"context"
	"maps"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// CreateVolume makes an empty volume, a clone, or a copy of a snapshot.
func (d *Driver) CreateVolume(_ context.Context, req *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if req.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "the volume's name is missing")
	}
	if err := checkCapabilities(req.GetVolumeCapabilities()...); err != nil {
		return nil, err
	}
	cl, err := parseClass(req.GetParameters())
	if err != nil {
		return nil, err
	}
	id := idOf(volumes, req.GetName())
	release, err := d.locks.exclusive(id)
	if err != nil {
		return nil, err
	}
	defer release()

	from := sourceOf(req.GetVolumeContentSource())
	v, err := d.store.load(volumes, id)
	switch {
	case status.Code(err) == codes.NotFound:
		v, err = d.makeVolume(req, &cl, metadata{ID: id, Name: req.GetName(), Source: from, Faults: cl.faults})
	case err == nil && (!within(v.Size, req.GetCapacityRange()) || v.Source != from || !maps.Equal(v.Faults, cl.faults)):
		err = status.Errorf(codes.AlreadyExists, "volume %q exists with %d bytes, or another source or class", v.Name, v.Size)
	}
	if err != nil {
		return nil, err
	}
	answer := &csi.Volume{VolumeId: id, CapacityBytes: v.Size, ContentSource: req.GetVolumeContentSource()}
	if len(d.opts.Topology) > 0 {
		answer.AccessibleTopology = []*csi.Topology{d.topology()}
	}
	return &csi.CreateVolumeResponse{Volume: answer}, nil
}

// makeVolume makes the volume that is not there yet.
func (d *Driver) makeVolume(req *csi.CreateVolumeRequest, cl *class, v metadata) (metadata, error) {
	if !d.reachable(req.GetAccessibilityRequirements()) {
		return v, status.Error(codes.ResourceExhausted, "no required topology has this node")
	}
	faults, err := d.faults(cl.faults)
	if err != nil {
		return v, err
	}
	if err := d.injector.failure(faults, CreateVolumeFails, v.ID); err != nil {
		return v, err
	}
	var sourceSize int64
	if v.Source != (source{}) {
		from, release, err := d.open(v.Source)
		if err != nil {
			return v, err
		}
		defer release()
		slow := CloneReadyAfter
		if v.Source.Kind == snapshots {
			slow = RestoreReadyAfter
		}
		if err := d.injector.delay(faults, slow, v.ID); err != nil {
			return v, err
		}
		sourceSize = from.Size
	}
	if v.Size, err = sizeFor(req.GetCapacityRange(), cl.granularity, sourceSize); err != nil {
		return v, err
	}
	if free, err := d.free(); err != nil {
		return v, err
	} else if v.Size > free {
		return v, status.Errorf(codes.ResourceExhausted, "%d bytes are wanted, %d are free", v.Size, free)
	}
	v.Created = d.opts.Now()
	return v, d.store.create(volumes, &v, cl.rootMode)
}

// open locks what is copied from until release is called.
func (d *Driver) open(from source) (m metadata, release func(), err error) {
	if release, err = d.locks.shared(from.ID); err != nil {
		return m, nil, err
	}
	m, err = d.store.load(from.Kind, from.ID)
	if err == nil && from.Kind == snapshots {
		var ready bool
		if ready, err = d.ready(&m); err == nil && !ready {
			err = status.Errorf(codes.Aborted, "snapshot %s is not ready", from.ID)
		}
	}
	if err != nil {
		release()
		return m, nil, err
	}
	return m, release, nil
}

// DeleteVolume deletes a volume that is mounted nowhere.
func (d *Driver) DeleteVolume(_ context.Context, req *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	id := req.GetVolumeId()
	if id == "" {
		return nil, status.Error(codes.InvalidArgument, "the volume's id is missing")
	}
	release, err := d.locks.exclusive(id)
	if err != nil {
		return nil, err
	}
	defer release()
	d.publishing.Lock()
	defer d.publishing.Unlock()
	mounts, err := d.loadMounts(id)
	if err != nil {
		return nil, err
	}
	if len(mounts) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is mounted at %d paths", id, len(mounts))
	}
	return &csi.DeleteVolumeResponse{}, d.store.remove(volumes, id)
}

// ValidateVolumeCapabilities confirms whatever a directory can be.
func (d *Driver) ValidateVolumeCapabilities(_ context.Context, req *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if req.GetVolumeId() == "" || len(req.GetVolumeCapabilities()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the volume's id or capabilities are missing")
	}
	if _, err := d.store.load(volumes, req.GetVolumeId()); err != nil {
		return nil, err
	}
	if err := checkCapabilities(req.GetVolumeCapabilities()...); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: status.Convert(err).Message()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext:      req.GetVolumeContext(),
		VolumeCapabilities: req.GetVolumeCapabilities(),
		Parameters:         req.GetParameters(),
	}}, nil
}

// GetCapacity tells what is free where the volumes are.
func (d *Driver) GetCapacity(_ context.Context, req *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	if t := req.GetAccessibleTopology(); t != nil && !d.reachable(&csi.TopologyRequirement{Requisite: []*csi.Topology{t}}) {
		return &csi.GetCapacityResponse{}, nil
	}
	free, err := d.free()
	return &csi.GetCapacityResponse{AvailableCapacity: free}, err
}

// free is what is free on the data directory's file system.
func (d *Driver) free() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(d.opts.DataDir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}
