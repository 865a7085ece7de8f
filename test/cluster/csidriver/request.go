package csidriver

import (
	"maps"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// defaultSize is a volume's size when nobody asks for one.
const defaultSize = 1 << 30

// checkCapabilities refuses what a directory cannot be.
func checkCapabilities(capabilities ...*csi.VolumeCapability) error {
	if len(capabilities) == 0 {
		return status.Error(codes.InvalidArgument, "volume capabilities are missing")
	}
	for _, c := range capabilities {
		switch {
		case c.GetMount() == nil:
			return status.Error(codes.InvalidArgument, "only mounted volumes, no block volumes")
		case len(c.GetMount().GetMountFlags()) > 0:
			return status.Error(codes.InvalidArgument, "mount options are not supported")
		case c.GetAccessMode().GetMode() == csi.VolumeCapability_AccessMode_UNKNOWN:
			return status.Error(codes.InvalidArgument, "the access mode is missing")
		}
	}
	return nil
}

// sizeFor chooses a size within the range, at least that of the source and a
// multiple of the granularity.
func sizeFor(r *csi.CapacityRange, granularity, sourceSize int64) (int64, error) {
	required, limit := r.GetRequiredBytes(), r.GetLimitBytes()
	if required < 0 || limit < 0 {
		return 0, status.Error(codes.InvalidArgument, "a size is negative")
	}
	size := required
	switch {
	case size > 0:
	case sourceSize > 0:
		size = sourceSize
	case limit > 0:
		size = min(limit, defaultSize)
	default:
		size = defaultSize
	}
	if size < sourceSize {
		return 0, status.Errorf(codes.OutOfRange, "%d bytes are less than the %d of the source", size, sourceSize)
	}
	if rest := size % granularity; rest > 0 {
		size += granularity - rest
	}
	if limit > 0 && size > limit {
		return 0, status.Errorf(codes.OutOfRange, "%d bytes are more than the limit of %d", size, limit)
	}
	return size, nil
}

// within reports whether a size satisfies the range.
func within(size int64, r *csi.CapacityRange) bool {
	return size >= r.GetRequiredBytes() && (r.GetLimitBytes() == 0 || size <= r.GetLimitBytes())
}

// sourceOf names what the volume shall be copied from.
func sourceOf(s *csi.VolumeContentSource) source {
	switch {
	case s.GetSnapshot() != nil:
		return source{snapshots, s.GetSnapshot().GetSnapshotId()}
	case s.GetVolume() != nil:
		return source{volumes, s.GetVolume().GetVolumeId()}
	}
	return source{}
}

func (d *Driver) topology() *csi.Topology {
	return &csi.Topology{Segments: maps.Clone(d.opts.Topology)}
}

// reachable reports whether the node lies in one of the required places.
func (d *Driver) reachable(r *csi.TopologyRequirement) bool {
	if len(d.opts.Topology) == 0 || len(r.GetRequisite()) == 0 {
		return true
	}
	return slices.ContainsFunc(r.GetRequisite(), func(t *csi.Topology) bool {
		for key, value := range t.GetSegments() {
			if d.opts.Topology[key] != value {
				return false
			}
		}
		return true
	})
}
