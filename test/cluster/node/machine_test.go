package node_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/node"
)

// observed is what a node could leave on the machine.
type observed struct {
	Mounts, Devices, Cgroups, Folders []string
	Sysctls                           map[string]string
	// Processes run out of a cluster's folder or the tool cache.
	Processes []string
}

func observe(t *testing.T) observed {
	t.Helper()
	o := observed{Sysctls: map[string]string{}}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		o.Mounts = append(o.Mounts, strings.Fields(line)[4])
	}
	devices, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		o.Devices = append(o.Devices, d.Name)
	}
	o.Cgroups = glob(t, "/sys/fs/cgroup/vk-test", "/sys/fs/cgroup/*/vk-test")
	o.Folders = glob(t, "/opt/*", "/run/*", "/var/lib/*", "/var/log/*", "/var/run/*", "/usr/libexec/*", "/etc/cni", "/etc/kubernetes")
	for _, name := range glob(t, "/proc/sys/vm/*", "/proc/sys/kernel/panic*", "/proc/sys/kernel/keys/*", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/*") {
		if value, err := os.ReadFile(name); err == nil { // some can only be written
			o.Sysctls[name] = string(value)
		}
	}
	for _, program := range glob(t, "/proc/[0-9]*/exe") {
		path, err := os.Readlink(program)
		name := filepath.Base(strings.TrimSuffix(path, " (deleted)"))
		if err == nil && slices.Contains([]string{"containerd", "containerd-shim-runc-v2", "csidriver", "pause", "apiforward"}, name) {
			o.Processes = append(o.Processes, program+" "+path)
		}
	}
	return o
}

func (o observed) compare(t *testing.T, after observed) {
	t.Helper()
	if diff := cmp.Diff(o, after); diff != "" {
		t.Errorf("the machine before (-) and after (+):\n%s", diff)
	}
}

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// listening lists the TCP addresses that the daemons listen on.
func listening(t *testing.T, c *node.Cluster) []string {
	t.Helper()
	daemons, err := c.Running()
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	for _, d := range daemons {
		for _, descriptor := range glob(t, fmt.Sprintf("/proc/%d/fd/*", d.PID)) {
			if target, err := os.Readlink(descriptor); err == nil {
				ours[target] = true
			}
		}
	}
	var addresses []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			const listenState = "0A"
			if len(fields) > 9 && fields[3] == listenState && ours["socket:["+fields[9]+"]"] {
				addresses = append(addresses, address(t, fields[1]))
			}
		}
	}
	if len(addresses) < 5 { // etcd has two, the API server, the kubelet and containerd one each
		t.Errorf("found only %v", addresses)
	}
	return addresses
}

// address decodes the kernel's form: four bytes in the machine's order, and the port, in hexadecimal digits.
func address(t *testing.T, text string) string {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	ip, err := strconv.ParseUint(host, 16, 32)
	if err != nil {
		return text // IPv6 is never expected
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d.%d.%d.%d:%d", byte(ip), byte(ip>>8), byte(ip>>16), byte(ip>>24), number)
}
