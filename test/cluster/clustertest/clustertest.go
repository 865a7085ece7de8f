// Package clustertest starts clusters for tests. A test that cannot have one is skipped, or fails if VK_REQUIRE names
// the tier, "apiserver" or "cluster".
package clustertest

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// Tiers, as VK_REQUIRE names them.
const (
	tierAPIServer = "apiserver"
	tierCluster   = "cluster"
)

// APIServer starts etcd and an API server, and takes them down when the test ends. The named controllers run beside
// them.
func APIServer(t testing.TB, controllers ...string) *node.Cluster {
	t.Helper()
	return start(t, node.Options{APIServerOnly: true, Controllers: controllers, Tools: APIServerTools(t)})
}

// APIServerTools is for a test that starts an API server by itself.
func APIServerTools(t testing.TB) toolchain.Cache {
	t.Helper()
	return tools(t, tierAPIServer, toolchain.ControlPlane())
}

// Node starts a whole node with the images of archives, and takes it down when the test ends.
func Node(t testing.TB, images ...string) *node.Cluster {
	t.Helper()
	return start(t, node.Options{Images: images, Tools: tools(t, tierCluster, toolchain.All())})
}

func tools(t testing.TB, tier string, names []string) toolchain.Cache {
	t.Helper()
	if !slices.Contains(strings.Split(os.Getenv("VK_REQUIRE"), ","), tier) {
		t.Skipf("takes a real cluster: set VK_REQUIRE=%s, or run `make test-%s`", tier, tier)
	}
	cache, err := toolchain.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.Ensure(t.Context(), toolchain.Options{Progress: os.Stderr}, names...); err != nil {
		t.Fatal(err)
	}
	return cache
}

// start leaves the folder of a failed test for its logs. The folder is not the test's own, whose path would be too
// long for a socket.
func start(t testing.TB, o node.Options) *node.Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "vk") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Progress = dir, t.Output()
	c, err := node.Up(t.Context(), o)
	if err != nil {
		_ = os.Remove(dir) // fails if there are logs in it, as it should
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if !t.Failed() {
			err = c.Down(ctx)
		} else if err = c.Stop(ctx); err == nil {
			t.Logf("the logs are in %s", c.Logs())
		}
		if err != nil {
			t.Errorf("take the cluster down: %v", err)
		}
	})
	return c
}
