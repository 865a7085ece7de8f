package csidriver

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// DefaultName is the driver's name unless Options say otherwise.
const DefaultName = "directory.csi.volsync-kopia.test"

// version is what the driver reports as its own.
const version = "test"

// Options are what a driver needs to know.
type Options struct {
	// Name is the driver's name, DefaultName if empty.
	Name string
	// Endpoint is the CSI socket, as unix:///absolute/path.
	Endpoint string
	// NodeID is the name of the node that the driver runs on.
	NodeID string
	// DataDir keeps volumes, snapshots and the control file; it is made if
	// there is none.
	DataDir string
	// PluginsRegistry is the kubelet's plugins_registry directory. If it is
	// set, the driver registers itself there and needs no registrar beside it.
	PluginsRegistry string
	// Topology is where the node is, as keys and values; empty means that the
	// driver has no topology.
	Topology map[string]string
	// Now tells the time of new objects.
	Now func() time.Time
	// Log gets a line for each call.
	Log *slog.Logger
}

// Driver implements the CSI services for one node.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer

	opts  Options
	store *store
	locks locks
	// publishing guards the records of where volumes are mounted.
	publishing sync.Mutex
	injector   injector
}

// New opens the data directory and removes what an interrupted driver left
// half made there.
func New(opts Options) (*Driver, error) {
	if opts.NodeID == "" || opts.DataDir == "" || opts.Now == nil || opts.Log == nil {
		return nil, errors.New("a driver needs a node id, a data directory, a clock and a log")
	}
	if opts.Name == "" {
		opts.Name = DefaultName
	}
	s, err := openStore(opts.DataDir)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	return &Driver{opts: opts, store: s, injector: injector{now: opts.Now}}, nil
}
