package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

const (
	cgroupFS = "/sys/fs/cgroup"
	// cgroupName is the cgroup of everything that a node runs: the daemons beside the pods. There is one node a
	// machine at most, and making this cgroup is what decides who has it.
	cgroupName = "vk-test"
	bridge     = "vk-test0"
	podRange   = "10.88.0.0/24"
	podGateway = "10.88.0.1"
	// maxDir leaves room for the names of sockets, whose whole path may have 107 bytes.
	maxDir = 60
)

// machine is what a node changes outside of its folder.
type machine struct {
	// Sysctls are the values before the start.
	Sysctls map[string]string
	// Folders did not exist before the start.
	Folders []string
}

// changedSysctls are what the kubelet and the bridge plugin set.
func changedSysctls() []string {
	return []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward",
	}
}

// privateFolders are where containerd, its network plugins and the kubelet write without being asked. In the node's
// mount table each is a tmpfs.
func privateFolders() []string {
	return []string{"/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers"}
}

// Check refuses a machine that cannot have a node now, so that nothing is built for it in vain. A lone API server can be
// anywhere. Up checks by itself.
func Check(o Options) error {
	if o.APIServerOnly {
		return nil
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("a node needs root; without it only the API server can be started")
	}
	if len(dir) > maxDir {
		return fmt.Errorf("%s is longer than %d bytes, too long for the sockets in it", dir, maxDir)
	}
	if link, err := netlink.LinkByName(bridge); err == nil {
		return fmt.Errorf("network device %s exists: the cluster of %s is up on this machine, or was not taken down", bridge, link.Attrs().Alias)
	}
	for _, hierarchy := range hierarchies() {
		if _, err := os.Stat(filepath.Join(hierarchy, cgroupName)); err == nil {
			return fmt.Errorf("cgroup %s exists: a cluster is up on this machine, or was not taken down", filepath.Join(hierarchy, cgroupName))
		}
	}
	return nil
}

// survey reads what will be changed, before it is.
func survey() (machine, error) {
	m := machine{Sysctls: map[string]string{}}
	for _, name := range changedSysctls() {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return m, err
		}
		m.Sysctls[name] = strings.TrimSpace(string(value))
	}
	for _, folder := range privateFolders() {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			m.Folders = append(m.Folders, folder)
		}
	}
	return m, nil
}

// makeCgroups makes the node's cgroup in every hierarchy: the kubelet wants its root in each.
func makeCgroups() error {
	for _, hierarchy := range hierarchies() {
		if err := os.Mkdir(filepath.Join(hierarchy, cgroupName), 0o755); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(hierarchy, cgroupName, "daemons"), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// hierarchies lists the mounted cgroup trees: one of version 2, or one for each controller of version 1.
func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroupFS, "cgroup.procs")); err == nil {
		return []string{cgroupFS}
	}
	found, _ := filepath.Glob(filepath.Join(cgroupFS, "*", "cgroup.procs")) // the pattern is valid
	for i, procs := range found {
		found[i] = filepath.Dir(procs)
	}
	return found
}

// tracking is the hierarchy whose cgroups tell which processes are the node's.
func tracking() string {
	all := hierarchies()
	if len(all) == 1 {
		return all[0]
	}
	return filepath.Join(cgroupFS, "pids")
}

// membership is where a new daemon of the node is entered.
func membership() []string {
	return []string{filepath.Join(tracking(), cgroupName, "daemons", "cgroup.procs")}
}

// makeBridge makes the pods' network device with the addresses of their gateway and of the Service "kubernetes". Its
// alias tells the next one who is up. Its hardware address is set, to what it is: or else it would be the lowest of
// the pods' and change with them, and what a pod sends to the one before it is lost until it asks again, 50 s later.
// The bridge plugin sees to that only where it gives the gateway's address itself.
func makeBridge(owner string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = bridge
	link := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("add bridge %s: %w", bridge, err)
	}
	if err := netlink.LinkSetAlias(link, owner); err != nil {
		return err
	}
	for _, address := range []string{podGateway + "/24", serviceAddress + "/32"} {
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, a); err != nil {
			return fmt.Errorf("add %s to %s: %w", address, bridge, err)
		}
	}
	made, err := netlink.LinkByName(bridge)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetHardwareAddr(made, made.Attrs().HardwareAddr); err != nil {
		return fmt.Errorf("set the hardware address of %s: %w", bridge, err)
	}
	return netlink.LinkSetUp(link)
}
