package csidriver_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

func dial(t *testing.T, socket string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestRegistration: the kubelet finds the driver's name and socket, also when
// a killed driver left its sockets behind.
func TestRegistration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := options(dir)
	socket, registry := filepath.Join(dir, "csi.sock"), filepath.Join(dir, "d.test-reg.sock")
	for _, stale := range []string{socket, registry} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	opts.Name, opts.Endpoint, opts.PluginsRegistry = "d.test", "unix://"+socket, dir
	t.Run("serving", func(t *testing.T) {
		serve(t, opts)
		wait := grpc.WaitForReady(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		info, err := registration.NewRegistrationClient(dial(t, registry)).GetInfo(ctx, &registration.InfoRequest{}, wait)
		if err != nil {
			t.Fatal(err)
		}
		if info.GetName() != "d.test" || info.GetEndpoint() != socket || info.GetType() != registration.CSIPlugin {
			t.Errorf("registered as %v", info)
		}
		named, err := csi.NewIdentityClient(dial(t, info.GetEndpoint())).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{}, wait)
		if err != nil || named.GetName() != "d.test" {
			t.Errorf("the driver at that socket: %v, %v", named, err)
		}
	})
	for _, path := range []string{socket, registry} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}

func TestEndpointMustBeSocket(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"", "tcp://127.0.0.1:1", "unix://relative.sock", "/run/csi.sock"} {
		opts := options(t.TempDir())
		opts.Endpoint = endpoint
		d, err := csidriver.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		if d.Serve(t.Context()) == nil {
			t.Errorf("serves at %q", endpoint)
		}
	}
}

// TestCallsAtOnce: of many equal calls at once, none does the work twice, and
// those that come too early are told to try again.
func TestCallsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	for i := range 200 {
		write(t, d.files("volumes", v), "f"+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	ids, errs := make(chan string, 16), make(chan error, 16)
	for range cap(ids) {
		go func() {
			s, err := d.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: v})
			ids <- s.GetSnapshot().GetSnapshotId()
			errs <- err
		}()
	}
	made := map[string]bool{}
	for range cap(ids) {
		if err := <-errs; err != nil {
			wantCode(t, "one of the calls", err, codes.Aborted)
		}
		if id := <-ids; id != "" {
			made[id] = true
		}
	}
	if len(made) != 1 {
		t.Errorf("snapshots made: %v", made)
	}
	entries, err := os.ReadDir(d.files("snapshots", d.snapshot("s", v, nil).GetSnapshotId()))
	if err != nil || len(entries) != 200 {
		t.Errorf("the snapshot has %d files: %v", len(entries), err)
	}
}
