package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
)

// state is what has to be known to take a cluster down. It is written before anything is started or changed.
type state struct {
	APIServerOnly bool
	// VolumesDir is the CSI driver's data directory where that is outside of the folder.
	VolumesDir string `json:",omitempty"`
	// Ctr is containerd's client, the one program that is needed after the start.
	Ctr     string
	Ports   ports
	Machine machine
}

// stateFile also marks a folder as ours: nothing is deleted in one without it.
const stateFile = "cluster.json"

func (c *Cluster) saveState() error {
	data, err := json.MarshalIndent(c.state, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.path(stateFile), data, 0o644)
}

// Load finds a cluster that was started in a folder. Without one, the error is fs.ErrNotExist.
func Load(dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	c := newCluster(dir)
	if err := json.Unmarshal(data, &c.state); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, stateFile), err)
	}
	return c, nil
}

// makeDir makes the folder of a new cluster. What a stopped one left there is removed; a running one is an error.
func makeDir(dir string) error {
	old, err := Load(dir)
	if err == nil {
		running, err := old.Running()
		if err != nil {
			return err
		}
		if len(running) > 0 {
			return fmt.Errorf("a cluster is up in %s: take it down first", dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s holds files that are no cluster's", dir)
	}
	return err
}

// Daemon is a recorded process of a cluster.
type Daemon struct {
	Name string
	process.Record
	Alive bool
}

// Daemons lists the recorded processes by name.
func (c *Cluster) Daemons() ([]Daemon, error) {
	names, err := c.group.Names()
	if err != nil {
		return nil, err
	}
	var daemons []Daemon
	for _, name := range names {
		record, err := c.group.Find(name)
		if err != nil {
			return nil, err
		}
		daemons = append(daemons, Daemon{Name: name, Record: record, Alive: record.Alive()})
	}
	return daemons, nil
}

// Running lists the daemons that are alive.
func (c *Cluster) Running() ([]Daemon, error) {
	all, err := c.Daemons()
	var running []Daemon
	for _, d := range all {
		if d.Alive {
			running = append(running, d)
		}
	}
	return running, err
}
