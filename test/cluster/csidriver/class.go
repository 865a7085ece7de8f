package csidriver

import (
	"io/fs"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/api/resource"
)

// class is what the parameters of a StorageClass or VolumeSnapshotClass say.
type class struct {
	faults      Faults
	granularity int64
	rootMode    fs.FileMode
}

// sidecarPrefix marks what the sidecars add to the parameters.
const sidecarPrefix = "csi.storage.k8s.io/"

// parseClass reads parameters. An unknown one is an error: a fault that is
// misspelt would let a test pass on nothing.
func parseClass(parameters map[string]string) (class, error) {
	c := class{faults: Faults{}, granularity: 1, rootMode: 0o777}
	for name, value := range parameters {
		switch {
		case strings.HasPrefix(name, sidecarPrefix):
		case name == "granularity":
			q, err := resource.ParseQuantity(value)
			if err != nil || q.Value() < 1 {
				return class{}, status.Errorf(codes.InvalidArgument, "parameter granularity: %q is no size", value)
			}
			c.granularity = q.Value()
		case name == "rootMode":
			mode, err := strconv.ParseUint(value, 8, 9)
			if err != nil {
				return class{}, status.Errorf(codes.InvalidArgument, "parameter rootMode: %q is no octal mode", value)
			}
			c.rootMode = fs.FileMode(mode)
		default:
			c.faults[name] = value
		}
	}
	if err := c.faults.check(); err != nil {
		return class{}, status.Errorf(codes.InvalidArgument, "parameter %v", err)
	}
	return c, nil
}
