package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
)

// restore undoes what a node changed on the machine, once its recorded daemons have ended. Each step may have been
// done already.
func (m machine) restore(ctx context.Context) error {
	if m.Sysctls == nil { // a lone API server changes nothing
		return nil
	}
	if err := killMembers(ctx); err != nil {
		return err // what follows needs them gone
	}
	return errors.Join(removeBridge(), m.restoreSysctls(), removeCgroups(ctx), m.removeFolders())
}

// killMembers ends what is left in the node's cgroup: the pods, their shims, and daemons whose record was lost.
func killMembers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		left, err := members()
		if err != nil || len(left) == 0 {
			return err
		}
		for _, r := range left {
			if err := r.Signal(unix.SIGKILL); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes that SIGKILL does not end: %v", left)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// members lists the live processes in the node's cgroup.
func members() ([]process.Record, error) {
	var found []process.Record
	err := filepath.WalkDir(filepath.Join(tracking(), cgroupName), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil // removed meanwhile
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			pid, err := strconv.Atoi(lines.Text())
			if err != nil {
				return err
			}
			if record, err := process.Of(pid); err == nil && record.Alive() {
				found = append(found, record)
			}
		}
		return err
	})
	return found, err
}

// removeBridge removes the bridge and the host's ends of the pods' devices, which the kernel would remove by itself,
// but later.
func removeBridge() error {
	link, err := netlink.LinkByName(bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	} else if err != nil {
		return err
	}
	all, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, port := range all {
		if port.Attrs().MasterIndex != link.Attrs().Index {
			continue
		}
		if err := netlink.LinkDel(port); err != nil && !errors.Is(err, unix.ENODEV) {
			return err
		}
	}
	return netlink.LinkDel(link)
}

func (m machine) restoreSysctls() error {
	var failed []error
	for name, value := range m.Sysctls {
		path := filepath.Join("/proc/sys", name)
		now, err := os.ReadFile(path)
		if err == nil && string(bytes.TrimSpace(now)) != value {
			err = os.WriteFile(path, []byte(value), 0o644)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// removeCgroups retries, because a cgroup is busy for a moment after its last process.
func removeCgroups(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var failed []error
		for _, hierarchy := range hierarchies() {
			failed = append(failed, removeCgroup(filepath.Join(hierarchy, cgroupName)))
		}
		err := errors.Join(failed...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// removeCgroup removes a tree of cgroups from the leaves. The files in it go with their folder.
func removeCgroup(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	for _, folder := range slices.Backward(folders) {
		if err := unix.Rmdir(folder); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove cgroup %s: %w", folder, err)
		}
	}
	return err
}

// removeFolders removes the mount points that starting made. They are empty outside of the node's mount table.
func (m machine) removeFolders() error {
	var failed []error
	for _, folder := range m.Folders {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
