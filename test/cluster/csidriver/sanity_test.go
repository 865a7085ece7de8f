package csidriver_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// TestSanity runs the official suite against the driver on its socket.
func TestSanity(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	opts := options(dir)
	opts.Endpoint = "unix://" + filepath.Join(dir, "csi.sock")
	opts.Now = time.Now
	opts.Topology = map[string]string{"topology.volsync-kopia.test/zone": "a"}
	opts.Log = slog.New(slog.DiscardHandler)
	serve(t, opts)

	config := sanity.NewTestConfig()
	config.Address = opts.Endpoint
	config.TargetPath = filepath.Join(dir, "mount")
	config.StagingPath = filepath.Join(dir, "staging")
	config.TestVolumeSize = 1 << 20
	sanity.Test(t, config)
	if left := mountsUnder(t, dir); len(left) > 0 {
		t.Errorf("mounts left: %q", left)
	}
}

// serve runs a driver on its socket until the test ends.
func serve(t *testing.T, opts csidriver.Options) {
	t.Helper()
	d, err := csidriver.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
