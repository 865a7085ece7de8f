package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
)

// nodeReady bounds each wait after the API server is ready.
const nodeReady = 2 * time.Minute

func (c *Cluster) startNode(ctx context.Context, images []string) error {
	if err := makeCgroups(); err != nil {
		return err
	}
	c.group.Cgroup = membership()
	if err := makeBridge(c.dir); err != nil {
		return err
	}
	private, err := newMountNamespace(privateFolders())
	if err != nil {
		return err
	}
	c.private = private
	defer private.close()
	// containerd and the images need nothing of the API server.
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error { return c.startRuntime(bothCtx, images) })
	both.Go(func() error { return c.startControllers(bothCtx) })
	if err := both.Wait(); err != nil {
		return err
	}
	if err := c.startKubelet(); err != nil {
		return err
	}
	if err := c.startStorage(ctx); err != nil {
		return err
	}
	return c.waitNode(ctx)
}

func (c *Cluster) startRuntime(ctx context.Context, images []string) error {
	if err := c.tools.BuildOwn(ctx, c.path("bin"), "./cmd/pause", "./cmd/apiforward", "./cmd/csidriver"); err != nil {
		return err
	}
	if err := c.startContainerd(ctx); err != nil {
		return err
	}
	if err := c.importOwnImages(ctx); err != nil {
		return err
	}
	if err := c.Import(ctx, images...); err != nil {
		return err
	}
	c.log("containerd ready, images imported")
	return nil
}

func (c *Cluster) startControllers(ctx context.Context) error {
	daemons, err := c.startControlPlane()
	if err != nil {
		return err
	}
	if err := c.waitAPIServer(ctx, daemons); err != nil {
		return err
	}
	c.log("API server ready at 127.0.0.1:%d", c.state.Ports.APIServer)
	if _, err := c.startControllerManager([]string{"*"}); err != nil {
		return err
	}
	_, err = c.startKubernetes(
		scheduler, "--kubeconfig="+c.kubeconfigOf(scheduler), "--secure-port=0", "--leader-elect=false", "--profiling=false",
	)
	if err != nil {
		return err
	}
	if err := c.installStorageAPIs(ctx); err != nil {
		return err
	}
	c.log("controllers started, snapshot API and storage classes installed")
	return nil
}

// startKubelet starts the kubelet, and what lets pods reach the API server.
func (c *Cluster) startKubelet() error {
	config := c.path("kubelet.yaml")
	if err := c.writeConfig("kubelet.yaml.tmpl", config); err != nil {
		return err
	}
	err := c.private.run(func() error {
		_, err := c.startKubernetes(
			kubelet, "--config="+config, "--kubeconfig="+c.kubeconfigOf(kubelet), "--root-dir="+c.path("kubelet"),
			"--cert-dir="+c.path("pki", "kubelet"), "--hostname-override="+nodeName,
		)
		return err
	})
	if err != nil {
		return err
	}
	_, err = c.group.Start(
		"apiforward", c.path("bin", "apiforward"), "--device="+bridge, "--listen="+serviceAddress+":443",
		fmt.Sprintf("--server=127.0.0.1:%d", c.state.Ports.APIServer),
	)
	return err
}

// waitNode returns when a pod can be scheduled and a volume be mounted.
func (c *Cluster) waitNode(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, nodeReady)
	defer cancel()
	ready := func(ctx context.Context) error {
		node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
		if i < 0 || node.Status.Conditions[i].Status != corev1.ConditionTrue {
			return fmt.Errorf("conditions %v", node.Status.Conditions)
		}
		if len(node.Spec.Taints) > 0 {
			return fmt.Errorf("taints %v", node.Spec.Taints)
		}
		if _, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err
		}
		csi, err := client.StorageV1().CSINodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err == nil && len(csi.Spec.Drivers) == 0 {
			err = errors.New("the CSI driver is not registered")
		}
		return err
	}
	if err := process.Wait(ctx, "the node", ready); err != nil {
		return err
	}
	c.log("node ready")
	return nil
}
