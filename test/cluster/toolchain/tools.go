package toolchain

import "time"

// The names of the tools, as Ensure and Program take them.
const (
	Etcd         = "etcd"
	Kubernetes   = "kubernetes"
	SnapshotCRDs = "snapshot-crds"
	Snapshotter  = "snapshotter"
	Provisioner  = "provisioner"
	Containerd   = "containerd"
	Runc         = "runc"
	CNI          = "cni"
)

// ControlPlane lists what etcd and an API server with the snapshot API need.
func ControlPlane() []string { return []string{Etcd, Kubernetes, SnapshotCRDs} }

// All lists what a whole node needs, the longest build first.
func All() []string {
	return []string{Kubernetes, Etcd, SnapshotCRDs, Snapshotter, Provisioner, Containerd, Runc, CNI}
}

// tool is one folder of the cache: programs built from one pinned module, or files copied out of it.
type tool struct {
	name     string
	dir      string        // folder under tools/ whose go.mod pins the module
	module   string        // the module whose version names the cache folder
	packages []string      // main packages; each program is named after the last element of its path
	output   string        // name of the program where there is one package and its path does not say it
	tags     string        // build tags
	ldflags  string        // added to "-s -w"; $VERSION stands for the version with its v
	cgo      bool          // needs a C compiler
	copy     string        // folder of the module to copy instead of building
	usual    time.Duration // the build on two idle cores with empty caches, for the progress line
}

func tools() []tool {
	const (
		componentBase = "-X k8s.io/component-base/version."
		containerd    = "github.com/containerd/containerd/v2"
		plugins       = "github.com/containernetworking/plugins"
		snapshotter   = "github.com/kubernetes-csi/external-snapshotter"
		provisioner   = "github.com/kubernetes-csi/external-provisioner/v6"
	)
	return []tool{
		{name: Etcd, dir: "etcd", module: "go.etcd.io/etcd/server/v3", packages: []string{"go.etcd.io/etcd/server/v3"}, output: "etcd", usual: time.Minute},
		// Without a version the API server reports v0.0.0 and clients turn features off.
		{
			name: Kubernetes, dir: "k8s", module: "k8s.io/kubernetes", packages: []string{"./hyper"}, output: "hyper", usual: 10 * time.Minute,
			ldflags: componentBase + "gitVersion=$VERSION -X k8s.io/client-go/pkg/version.gitVersion=$VERSION",
		},
		{name: SnapshotCRDs, dir: "k8s", module: snapshotter + "/client/v8", copy: "config/crd"},
		// In one module with Kubernetes, because most of it is compiled there already.
		{
			name: Snapshotter, dir: "k8s", module: snapshotter + "/v8", usual: time.Minute,
			packages: []string{snapshotter + "/v8/cmd/snapshot-controller", snapshotter + "/v8/cmd/csi-snapshotter"},
		},
		{name: Provisioner, dir: "provisioner", module: provisioner, packages: []string{provisioner + "/cmd/csi-provisioner"}, usual: 4 * time.Minute},
		{
			name: Containerd, dir: "containerd", module: containerd, usual: 2 * time.Minute,
			packages: []string{containerd + "/cmd/containerd", containerd + "/cmd/containerd-shim-runc-v2", containerd + "/cmd/ctr"},
			tags:     "no_btrfs no_devmapper no_zfs no_aufs no_nri no_tracing netgo osusergo",
			ldflags:  "-X " + containerd + "/version.Version=$VERSION",
		},
		// Every sandbox carries a seccomp profile, which runc refuses without libseccomp.
		{
			name: Runc, dir: "runc", module: "github.com/opencontainers/runc", packages: []string{"github.com/opencontainers/runc"}, usual: time.Minute,
			tags: "netgo osusergo seccomp", ldflags: "-linkmode external -extldflags -static -X main.version=$VERSION", cgo: true,
		},
		{
			name: CNI, dir: "cni", module: plugins, usual: time.Minute,
			packages: []string{plugins + "/plugins/main/bridge", plugins + "/plugins/main/loopback", plugins + "/plugins/ipam/host-local"},
		},
	}
}
