package csidriver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// copier copies a directory that may be written meanwhile: a file that
// disappears is left out, one that is replaced is copied as one or the other.
type copier struct {
	// linked has the first copy of each file with several names.
	linked map[inode]string
}

type inode struct{ device, number uint64 }

// copyTree makes the existing directory to a copy of from, its own owner and
// mode included.
func copyTree(from, to string) error {
	c := copier{linked: map[inode]string{}}
	var s unix.Stat_t
	if err := unix.Lstat(from, &s); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return errors.Join(c.children(from, to), attributes(from, to, &s))
}

// children copies what is in a directory.
func (c *copier) children(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		part := filepath.Join(to, e.Name())
		err := c.entry(filepath.Join(from, e.Name()), part)
		if errors.Is(err, fs.ErrNotExist) {
			// The source is gone: nobody else writes to the copy.
			err = os.RemoveAll(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entry copies a file of any type.
func (c *copier) entry(from, to string) error {
	var s unix.Stat_t
	if err := unix.Lstat(from, &s); err != nil {
		return named(from, err)
	}
	id := inode{s.Dev, s.Ino}
	several := s.Mode&unix.S_IFMT != unix.S_IFDIR && s.Nlink > 1
	if first, ok := c.linked[id]; ok && several {
		return os.Link(first, to)
	}
	if err := c.contents(from, to, &s); err != nil {
		return err
	}
	if err := attributes(from, to, &s); err != nil {
		return err
	}
	if several {
		c.linked[id] = to
	}
	return nil
}

// contents copies a file without its attributes.
func (c *copier) contents(from, to string, s *unix.Stat_t) error {
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return regular(from, to, s)
	case unix.S_IFLNK:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case unix.S_IFDIR:
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		return c.children(from, to)
	default:
		return named(to, unix.Mknod(to, s.Mode, int(s.Rdev)))
	}
}

// regular copies a file's data and its holes. What it says in s about the file
// is afterwards about the one that was read.
func regular(from, to string, s *unix.Stat_t) (err error) {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := unix.Fstat(int(in.Fd()), s); err != nil {
		return named(from, err)
	}
	if s.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s is no regular file any more", from)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := data(in, out, s.Size); err != nil {
		return named(from, err)
	}
	return out.Truncate(s.Size)
}

// data copies what is between the holes of the first size bytes.
func data(in, out *os.File, size int64) error {
	for at := int64(0); at < size; {
		begin, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // nothing but a hole is left
		}
		if err != nil {
			return err
		}
		end, err := in.Seek(begin, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		end = min(end, size)
		for _, f := range []*os.File{in, out} {
			if _, err := f.Seek(begin, io.SeekStart); err != nil {
				return err
			}
		}
		// The end comes early when the file has been cut meanwhile.
		if _, err := io.CopyN(out, in, end-begin); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		at = end
	}
	return nil
}

// attributes gives the copy its owner, mode, extended attributes and times, in
// this order: a new owner clears the bits and capabilities of a program.
func attributes(from, to string, s *unix.Stat_t) error {
	if err := os.Lchown(to, int(s.Uid), int(s.Gid)); err != nil {
		return err
	}
	if s.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(to, s.Mode&^unix.S_IFMT); err != nil {
			return named(to, err)
		}
	}
	if err := extended(from, to); err != nil {
		return err
	}
	times := []unix.Timespec{s.Atim, s.Mtim}
	return named(to, unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW))
}

// named says which file an error of a bare system call is about.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", path, err)
}
