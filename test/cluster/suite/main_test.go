// Package suite runs the built command against a real cluster: a kubelet, a CSI
// driver, kopia in pods. Its tests share one node; each has a namespace of its
// own.
package suite

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// moverImage is the name under which make image exports the mover; VK_MOVER_IMAGE
// names another one that the cluster has.
var moverImage = cmp.Or(os.Getenv("VK_MOVER_IMAGE"), "volsync-kopia.test/mover:dev") //nolint:gochecknoglobals // one image serves all tests of the package

// world is what the tests share.
type world struct {
	// dir is the cluster's folder, administrator the kubeconfig of somebody who may
	// do everything: the tests' own, and hardly ever the command's.
	dir, administrator string
	// volumes is the CSI driver's data directory.
	volumes string
	// command is the built plugin, kopia the program that a person would use.
	command, kopia string
	config         *rest.Config
	typed          kubernetes.Interface
	dynamic        dynamic.Interface
}

var shared *world //nolint:gochecknoglobals // one node serves all tests of the package

func TestMain(m *testing.M) {
	kopiatest.LaunchIfAsked() // the benchmark's commands
	os.Exit(run(m))
}

// run starts the node, unless VK_CLUSTER_DIR names the folder of one that runs. No
// test may have run the command as an administrator.
func run(m *testing.M) int {
	if !slices.Contains(strings.Split(os.Getenv("VK_REQUIRE"), ","), "cluster") {
		fmt.Println("skipped: takes a real node; set VK_REQUIRE=cluster, or run `make test-cluster`")
		return 0
	}
	ctx := context.Background()
	dir, down, err := cluster(ctx)
	if err == nil {
		shared, err = newWorld(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		began := time.Now()
		code = m.Run()
		if err := onlyAccounts(auditLog(shared.dir), began); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			code = 1
		}
	}
	if err := down(ctx, code == 0); err != nil {
		fmt.Fprintln(os.Stderr, "take the cluster down:", err)
		return 1
	}
	return code
}

// cluster returns the folder of a node and what takes it down.
func cluster(ctx context.Context) (dir string, down func(context.Context, bool) error, err error) {
	keep := func(context.Context, bool) error { return nil }
	if dir := os.Getenv("VK_CLUSTER_DIR"); dir != "" {
		return dir, keep, nil
	}
	image, err := filepath.Abs("../../../dist/mover-image.tar")
	if err != nil {
		return "", keep, err
	}
	tools, err := toolchain.Open()
	if err != nil {
		return "", keep, err
	}
	if err := tools.Ensure(ctx, toolchain.Options{Progress: os.Stderr}, toolchain.All()...); err != nil {
		return "", keep, err
	}
	// Its sockets need a short path.
	if dir, err = os.MkdirTemp("", "vk"); err != nil {
		return "", keep, err
	}
	o := node.Options{Dir: dir, Tools: tools, Images: []string{image}, Progress: os.Stderr}
	if os.Getenv("VK_BENCH") != "" {
		// Its snapshots are copies of directories. In memory they take no time, as those of a storage that is made for
		// them; ext4 takes half a millisecond a file while it avoids the inodes of the last copies.
		o.VolumesIn = "/dev/shm"
	}
	c, err := node.Up(ctx, o)
	if err != nil {
		return "", keep, err
	}
	return dir, func(ctx context.Context, passed bool) error {
		if passed {
			return c.Down(ctx)
		}
		fmt.Fprintln(os.Stderr, "the logs are in", c.Logs())
		return c.Stop(ctx)
	}, nil
}

func newWorld(dir string) (*world, error) {
	c, err := node.Load(dir)
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, administrator: c.Kubeconfig(), volumes: c.VolumeData()}
	if w.command, err = filepath.Abs("../../../bin/kubectl-volsync_kopia"); err != nil {
		return nil, err
	}
	if w.kopia, err = filepath.Abs("../../../bin/kopia"); err != nil {
		return nil, err
	}
	for _, program := range []string{w.command, w.kopia} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("make build kopia image comes first: %w", err)
		}
	}
	if w.config, err = clientcmd.BuildConfigFromFlags("", w.administrator); err != nil {
		return nil, err
	}
	w.config.QPS, w.config.Burst = 100, 200
	w.config.WarningHandler = rest.NoWarnings{} // "all kinds" has deprecated ones
	if w.typed, err = kubernetes.NewForConfig(w.config); err != nil {
		return nil, err
	}
	w.dynamic, err = dynamic.NewForConfig(w.config)
	return w, err
}
