package csidriver_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/csidriver"
)

// sample fills a directory with everything that a copy must keep.
func sample(t *testing.T, dir string) {
	t.Helper()
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, dir, "plain")
	write(t, path("sub/deep"), "secret")
	must(os.Symlink("../plain", path("sub/link")), os.Symlink("nowhere", path("dangling")), os.Link(path("plain"), path("sub/hard")))
	must(unix.Mkfifo(path("pipe"), 0o640), unix.Mknod(path("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), os.Mkdir(path("empty"), 0o1777))
	sparse, err := os.Create(path("sparse"))
	must(err)
	for _, at := range []int64{0, 8 << 20} {
		_, err := sparse.WriteAt([]byte("data"), at)
		must(err)
	}
	must(sparse.Truncate(16<<20), sparse.Close())
	must(unix.Lsetxattr(path("plain"), "user.kind", []byte("value"), 0), unix.Lsetxattr(path("sub"), "user.kind", []byte("directory"), 0))
	must(os.Chown(path("sub/deep/secret"), 1234, 5678), os.Chmod(path("sub/deep/secret"), 0o4640), os.Lchown(path("dangling"), 42, 43))
	must(os.Chown(dir, 1000, 2000), os.Chmod(dir, 0o2770|fs.ModeSetgid))
	// CAP_NET_RAW; a change of owner would clear it.
	netRaw := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	must(unix.Lsetxattr(path("sub/deep/secret"), "security.capability", netRaw, 0))
	past := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, name := range []string{"plain", "sub/deep", "sub", ""} {
		must(os.Chtimes(path(name), past, past))
	}
}

// describe says everything about a tree that a copy must keep.
func describe(t *testing.T, root string) map[string]string {
	t.Helper()
	tree, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		var s unix.Stat_t
		if err := unix.Lstat(path, &s); err != nil {
			return err
		}
		line := fmt.Sprintf("mode=%o owner=%d:%d links=%d device=%d mtime=%d", s.Mode, s.Uid, s.Gid, s.Nlink, s.Rdev, s.Mtim.Nano())
		for _, name := range []string{"user.kind", "security.capability"} {
			value := make([]byte, 100)
			if n, err := unix.Lgetxattr(path, name, value); err == nil {
				line = fmt.Sprintf("%s %s=%x", line, name, value[:n])
			}
		}
		switch s.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			if other, ok := first[s.Ino]; ok {
				line += " same-as=" + other
			}
			first[s.Ino] = name
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" size=%d holes=%t sha256=%x", len(data), s.Blocks*512 < s.Size, sha256.Sum256(data))
		case unix.S_IFLNK:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " to=" + to
		}
		tree[name] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestCopiesKeepEverything(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	sample(t, d.files("volumes", v))
	want := describe(t, d.files("volumes", v))

	s := d.snapshot("s", v, nil).GetSnapshotId()
	clone := volumeRequest("clone", nil)
	clone.VolumeContentSource = fromVolume(v)
	cloned := d.volume(clone)
	// What happens to the source now is not in the copies.
	write(t, d.files("volumes", v), "later")
	restore := volumeRequest("restored", nil)
	restore.VolumeContentSource = fromSnapshot(s)
	restored := d.volume(restore)
	if _, err := d.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{SnapshotId: s}); err != nil {
		t.Error(err)
	}
	for name, dir := range map[string]string{"clone": d.files("volumes", cloned), "volume from the snapshot": d.files("volumes", restored)} {
		if diff := cmp.Diff(want, describe(t, dir)); diff != "" {
			t.Errorf("%s (-source +copy):\n%s", name, diff)
		}
	}
}

// TestDiskIsFull: a snapshot that did not fit is no snapshot, and leaves
// nothing behind.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	dir := t.TempDir()
	opts := options(dir)
	if err := os.Mkdir(opts.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", opts.DataDir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(opts.DataDir, 0); err != nil {
			t.Error(err)
		}
	})
	created, err := csidriver.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{Driver: created, t: t, dir: dir}
	v := d.volume(volumeRequest("v", nil))
	if err := os.WriteFile(filepath.Join(d.files("volumes", v), "file"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = d.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: "s", SourceVolumeId: v})
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(v, "data", "file")) {
		t.Errorf("CreateSnapshot: %v, want that the file did not fit", err)
	}
	left, err := os.ReadDir(filepath.Join(opts.DataDir, "snapshots"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCopyOfBusyVolume: an application that makes and deletes files while a
// snapshot is cut does not make it fail, and what it leaves alone is complete.
func TestCopyOfBusyVolume(t *testing.T) {
	t.Parallel()
	const stable, busy = 100, 200
	d := newDriver(t)
	v := d.volume(volumeRequest("v", nil))
	data := d.files("volumes", v)
	for i := range stable {
		write(t, filepath.Join(data, "stable"), strconv.Itoa(i))
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	name := func(i int) string { return filepath.Join(data, "busy-"+strconv.Itoa(i)) }
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := os.WriteFile(name(i), nil, 0o600); err != nil {
				t.Error(err)
			}
			if i < busy {
				continue
			}
			if err := os.Remove(name(i - busy)); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range 5 {
		s := d.snapshot(strconv.Itoa(i), v, nil)
		entries, err := os.ReadDir(filepath.Join(d.files("snapshots", s.GetSnapshotId()), "stable"))
		if err != nil || len(entries) != stable {
			t.Errorf("snapshot %d has %d stable files: %v", i, len(entries), err)
		}
	}
	close(stop)
	<-stopped
}
