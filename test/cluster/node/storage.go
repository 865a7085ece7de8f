package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

// DriverName is the CSI driver's, as the StorageClasses name it.
const DriverName = "directory.csi.volsync-kopia.test"

// topologyKey says on which node a volume is.
const topologyKey = "topology." + DriverName + "/node"

// VolumeData is the CSI driver's data directory, which also has its control file for faults.
func (c *Cluster) VolumeData() string {
	return cmp.Or(c.state.VolumesDir, c.path("csi", "data"))
}

// installStorageAPIs creates the CRDs of the snapshot API, those of group snapshots too, for which the snapshot
// controller waits, and the classes.
func (c *Cluster) installStorageAPIs(ctx context.Context) error {
	config, err := c.Config()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 100
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	dir, err := c.tools.Program(toolchain.SnapshotCRDs, "")
	if err != nil {
		return err
	}
	definitions, err := filepath.Glob(filepath.Join(dir, "*.storage.k8s.io_*.yaml"))
	if err != nil || len(definitions) == 0 {
		return errors.Join(err, fmt.Errorf("no CRD in %s", dir))
	}
	for _, path := range definitions {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := apply(ctx, client, data); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	classes, err := files.ReadFile("config/classes.yaml")
	if err != nil {
		return err
	}
	return apply(ctx, client, classes)
}

// apply applies every object of a YAML stream. A kind that is not served yet is waited for. It is not created, because
// the API server holds every creation back for two seconds after the kind was defined.
func apply(ctx context.Context, client dynamic.Interface, manifests []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		what := object.GetKind() + " " + object.GetName()
		err := process.Wait(ctx, what, func(ctx context.Context) error {
			_, err := client.Resource(resource).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "testcluster", Force: true})
			return err
		})
		if err != nil {
			return err
		}
	}
}

// startStorage starts the CSI driver, its sidecars and the snapshot controller. The sidecars wait for the driver.
func (c *Cluster) startStorage(ctx context.Context) error {
	socket := c.path("csi", "csi.sock")
	_, err := c.startPrivate(
		"csidriver", c.path("bin", "csidriver"), "--endpoint=unix://"+socket, "--node-id="+nodeName, "--data-dir="+c.VolumeData(),
		"--driver-name="+DriverName, "--plugins-registry="+c.path("kubelet", "plugins_registry"), "--topology="+topologyKey+"="+nodeName,
	)
	if err != nil {
		return err
	}
	// The defaults wait a second before the first retry, most of what a claim or snapshot takes here, and
	// send five requests a second, which tests side by side have to queue for.
	quick := []string{"--kubeconfig=" + c.Kubeconfig(), "--retry-interval-start=200ms", "--kube-api-qps=100", "--kube-api-burst=200"}
	sidecar := slices.Concat(quick, []string{"--csi-address=" + socket, "--extra-create-metadata"})
	daemons := []struct {
		tool, program string
		args          []string
	}{
		{toolchain.Snapshotter, "snapshot-controller", quick},
		// It forgets a snapshot that is deleted while it cannot be taken if what it reads then is older than what
		// it wrote itself, which no event tells it of: such a one waits for the next look at all of them.
		{toolchain.Snapshotter, "csi-snapshotter", slices.Concat(sidecar, []string{"--resync-period=5s"})},
		{toolchain.Provisioner, "csi-provisioner", slices.Concat(sidecar, []string{
			"--feature-gates=Topology=true", "--default-fstype=ext4",
			// It sees that a claim is gone when it tries again, and holds the snapshot until then; one
			// whose finalizer it could not remove, for a conflict, until it looks for such.
			"--retry-interval-max=5s", "--snapshot-orphan-sweep-interval=5s",
		})},
	}
	for _, d := range daemons {
		program, err := c.tools.Program(d.tool, d.program)
		if err != nil {
			return err
		}
		if _, err := c.group.Start(d.program, program, d.args...); err != nil {
			return err
		}
	}
	return ctx.Err()
}
