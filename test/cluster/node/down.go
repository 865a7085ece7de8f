package node

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// Down stops the cluster of a folder and restores the machine. It may be called again after it failed. The folder is
// removed.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.stop(ctx); err != nil {
		return err
	}
	return os.RemoveAll(c.dir)
}

// Stop is Down without removing the folder, for its logs.
func (c *Cluster) Stop(ctx context.Context) error { return c.stop(ctx) }

func (c *Cluster) stop(ctx context.Context) error {
	names, err := c.group.Names()
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	failed := make([]error, len(names))
	for i, name := range names {
		all.Go(func() { failed[i] = c.group.Stop(ctx, name, grace(name)) })
	}
	all.Wait()
	failed = append(failed, c.state.Machine.restore(ctx))
	if c.state.VolumesDir != "" {
		failed = append(failed, os.RemoveAll(c.state.VolumesDir))
	}
	return errors.Join(failed...)
}

// grace is how long a daemon may take to end by itself. The state of etcd and of the API server is thrown away; the
// kubelet and containerd shall not be cut off in the middle of a mount.
func grace(name string) time.Duration {
	switch name {
	case kubelet, "containerd", "csidriver":
		return 5 * time.Second
	default:
		return 0
	}
}
