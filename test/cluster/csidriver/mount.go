package csidriver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// mount is how a volume is mounted at one path.
type mount struct {
	ReadOnly  bool `json:"readOnly"`
	Exclusive bool `json:"exclusive"`
}

func (d *Driver) mountsFile(id string) string {
	return filepath.Join(d.store.path(volumes, id), "mounts.json")
}

// loadMounts returns where the volume is mounted: what was recorded, without
// what has been unmounted since by others. It is nil for a volume that does
// not exist.
func (d *Driver) loadMounts(id string) (map[string]mount, error) {
	if _, err := d.store.load(volumes, id); err != nil {
		if status.Code(err) == codes.NotFound {
			return nil, nil
		}
		return nil, err
	}
	mounts := map[string]mount{}
	data, err := os.ReadFile(d.mountsFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return mounts, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &mounts); err != nil {
		return nil, fmt.Errorf("mounts of %s: %w", id, err)
	}
	root, err := os.Stat(d.store.data(volumes, id))
	if err != nil {
		return nil, err
	}
	for target := range mounts {
		if at, err := os.Stat(target); err != nil || !os.SameFile(root, at) {
			delete(mounts, target)
		}
	}
	return mounts, nil
}

// saveMounts records them; the rename keeps the file whole.
func (d *Driver) saveMounts(id string, mounts map[string]mount) error {
	data, err := json.Marshal(mounts)
	if err != nil {
		return err
	}
	name := d.mountsFile(id)
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// bind mounts a directory at the target, which it makes. On failure nothing is
// mounted and the target is gone.
func bind(dir, target string, readOnly bool) error {
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	if err := unix.Mount(dir, target, "", unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("bind %s: %w", target, err), os.Remove(target))
	}
	if !readOnly {
		return nil
	}
	// A bind mount takes its options only when it is mounted again.
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return errors.Join(fmt.Errorf("make %s read-only: %w", target, err), unbind(target), os.Remove(target))
	}
	return nil
}

// unbind unmounts the target; one that is no mount is unmounted already.
func unbind(target string) error {
	err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
