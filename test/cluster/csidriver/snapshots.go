package csidriver

import (
	"context"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// CreateSnapshot copies a volume. The snapshotter calls it again until the
// snapshot is ready. A copy goes on when the caller has stopped waiting: a
// later call finds it done.
func (d *Driver) CreateSnapshot(_ context.Context, req *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if req.GetName() == "" || req.GetSourceVolumeId() == "" {
		return nil, status.Error(codes.InvalidArgument, "the snapshot's name or its source is missing")
	}
	cl, err := parseClass(req.GetParameters())
	if err != nil {
		return nil, err
	}
	id := idOf(snapshots, req.GetName())
	release, err := d.locks.exclusive(id)
	if err != nil {
		return nil, err
	}
	defer release()

	s, err := d.store.load(snapshots, id)
	switch {
	case status.Code(err) == codes.NotFound:
		s, err = d.makeSnapshot(metadata{
			ID: id, Name: req.GetName(), Source: source{volumes, req.GetSourceVolumeId()}, Faults: cl.faults,
		})
	case err == nil && s.Source.ID != req.GetSourceVolumeId():
		err = status.Errorf(codes.AlreadyExists, "snapshot %q exists of volume %s", s.Name, s.Source.ID)
	}
	if err != nil {
		return nil, err
	}
	answer, err := d.describe(&s)
	return &csi.CreateSnapshotResponse{Snapshot: answer}, err
}

// makeSnapshot cuts the snapshot that is not there yet.
func (d *Driver) makeSnapshot(s metadata) (metadata, error) {
	v, release, err := d.open(s.Source)
	if err != nil {
		return s, err
	}
	defer release()
	faults, err := d.faults(s.Faults)
	if err != nil {
		return s, err
	}
	if err := d.injector.failure(faults, CreateSnapshotFails, s.ID); err != nil {
		return s, err
	}
	// Nothing smaller than the volume can hold its data.
	s.Size, s.Created = v.Size, d.opts.Now()
	return s, d.store.create(snapshots, &s, 0)
}

// ready reports whether the snapshot may be used yet.
func (d *Driver) ready(s *metadata) (bool, error) {
	faults, err := d.faults(s.Faults)
	if err != nil {
		return false, err
	}
	return d.opts.Now().Sub(s.Created) >= faults.delay(SnapshotReadyAfter), nil
}

func (d *Driver) describe(s *metadata) (*csi.Snapshot, error) {
	ready, err := d.ready(s)
	return &csi.Snapshot{
		SnapshotId:     s.ID,
		SourceVolumeId: s.Source.ID,
		SizeBytes:      s.Size,
		CreationTime:   timestamppb.New(s.Created),
		ReadyToUse:     ready,
	}, err
}

// DeleteSnapshot deletes a snapshot; volumes made from it keep their copies.
func (d *Driver) DeleteSnapshot(_ context.Context, req *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	id := req.GetSnapshotId()
	if id == "" {
		return nil, status.Error(codes.InvalidArgument, "the snapshot's id is missing")
	}
	release, err := d.locks.exclusive(id)
	if err != nil {
		return nil, err
	}
	defer release()
	s, err := d.store.load(snapshots, id)
	if status.Code(err) == codes.NotFound {
		return &csi.DeleteSnapshotResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	faults, err := d.faults(s.Faults)
	if err != nil {
		return nil, err
	}
	if err := d.injector.failure(faults, DeleteSnapshotFails, id); err != nil {
		return nil, err
	}
	return &csi.DeleteSnapshotResponse{}, d.store.remove(snapshots, id)
}

// GetSnapshot describes one snapshot.
func (d *Driver) GetSnapshot(_ context.Context, req *csi.GetSnapshotRequest) (*csi.GetSnapshotResponse, error) {
	if req.GetSnapshotId() == "" {
		return nil, status.Error(codes.InvalidArgument, "the snapshot's id is missing")
	}
	s, err := d.store.load(snapshots, req.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	answer, err := d.describe(&s)
	return &csi.GetSnapshotResponse{Snapshot: answer}, err
}

// ListSnapshots lists snapshots by id. A token is the id that the next page
// starts at or after, so that it holds when snapshots come and go.
func (d *Driver) ListSnapshots(_ context.Context, req *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	token := req.GetStartingToken()
	if token != "" && !idPattern.MatchString(token) {
		return nil, status.Errorf(codes.Aborted, "the token %q is not one of this driver", token)
	}
	all, err := d.store.list(snapshots)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s metadata) bool {
		return s.ID < token ||
			req.GetSnapshotId() != "" && s.ID != req.GetSnapshotId() ||
			req.GetSourceVolumeId() != "" && s.Source.ID != req.GetSourceVolumeId()
	})
	r := &csi.ListSnapshotsResponse{}
	if n := int(req.GetMaxEntries()); n > 0 && n < len(all) {
		r.NextToken = all[n].ID
		all = all[:n]
	}
	for i := range all {
		answer, err := d.describe(&all[i])
		if err != nil {
			return nil, err
		}
		r.Entries = append(r.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: answer})
	}
	return r, nil
}
