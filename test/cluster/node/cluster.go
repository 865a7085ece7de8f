// Package node starts and stops a real single-node Kubernetes on this machine: etcd, the API server, the controller
// manager, the scheduler, the kubelet, containerd, a CSI driver with its sidecars and the snapshot controller. With
// Options.APIServerOnly it is etcd and the API server, which needs no root and may run many times at once.
//
// Everything listens on the loopback device, and for pods on a bridge of its own. The daemons outlive their starter;
// Down stops what is recorded in the cluster's folder, and nothing else.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// Options say what to start.
type Options struct {
	// Dir is the cluster's folder, outside of any work tree. Sockets lie in it, so that its path must be short.
	Dir string
	// Tools finds the programs; they must be built.
	Tools toolchain.Cache
	// APIServerOnly leaves out everything but etcd and the API server.
	APIServerOnly bool
	// Controllers are those of the controller manager to run beside a lone API server, such as "namespace",
	// "garbage-collector-controller" or "resourcequota"; none without.
	Controllers []string
	// VolumesIn is where the CSI driver's data directory is made, and removed with the cluster; empty: in Dir.
	VolumesIn string
	// Images are archives to import, as `ctr images import` takes them.
	Images []string
	// Progress gets a line for each step.
	Progress io.Writer
}

// Cluster is a cluster that was started in a folder.
type Cluster struct {
	dir     string
	state   state
	group   process.Group
	tools   toolchain.Cache
	log     func(format string, args ...any)
	private *mountNamespace
}

func newCluster(dir string) *Cluster {
	return &Cluster{
		dir:   dir,
		group: process.Group{Records: filepath.Join(dir, "pids"), Logs: filepath.Join(dir, "log")},
		log:   func(string, ...any) {},
	}
}

// Dir is the cluster's folder.
func (c *Cluster) Dir() string { return c.dir }

// Kubeconfig is the path of the administrator's kubeconfig, who is in system:masters and may impersonate anybody.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// AuditLog is the path of the API server's audit log: a JSON object a line, level Metadata, for every request.
func (c *Cluster) AuditLog() string { return c.path("audit.jsonl") }

// Logs is the folder of the daemons' logs.
func (c *Cluster) Logs() string { return c.group.Logs }

// Config is the administrator's, for client-go.
func (c *Cluster) Config() (*rest.Config, error) {
	return clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
}

func (c *Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// Up starts a cluster and returns when it is ready to use. If that fails, everything is stopped again, and the folder
// with the logs is left.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	c := newCluster(dir)
	c.tools = o.Tools
	c.log = progress(o.Progress)
	c.state.APIServerOnly = o.APIServerOnly
	if err := Check(o); err != nil {
		return nil, err
	}
	if err := c.prepare(o.VolumesIn); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", dir, err)
	}
	if o.APIServerOnly {
		err = c.startAPIServerOnly(ctx, o.Controllers)
	} else {
		err = c.startNode(ctx, o.Images)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w\nthe logs are in %s", err, c.Logs()), c.stop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// prepare lays the folder and records what starting will change on the machine.
func (c *Cluster) prepare(volumesIn string) error {
	if err := makeDir(c.dir); err != nil {
		return err
	}
	if err := c.fillState(volumesIn); err != nil {
		return err
	}
	for _, name := range []string{"pids", "log", "pki", "bin", "images", "cni", "containerd", "kubelet/plugins_registry", "csi"} {
		if err := os.MkdirAll(c.path(name), 0o755); err != nil {
			return err
		}
	}
	return c.writeCredentials()
}

func (c *Cluster) fillState(volumesIn string) error {
	var err error
	if volumesIn != "" {
		if c.state.VolumesDir, err = os.MkdirTemp(volumesIn, "vk-volumes"); err != nil {
			return err
		}
	}
	if c.state.Ports, err = freePorts(); err != nil {
		return err
	}
	if !c.state.APIServerOnly {
		if c.state.Ctr, err = c.tools.Program(toolchain.Containerd, "ctr"); err != nil {
			return err
		}
		if c.state.Machine, err = survey(); err != nil {
			return err
		}
	}
	return c.saveState()
}

// progress prefixes each line with the time since the start.
func progress(w io.Writer) func(string, ...any) {
	if w == nil {
		return func(string, ...any) {}
	}
	start := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(w, "+%4.1fs %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
