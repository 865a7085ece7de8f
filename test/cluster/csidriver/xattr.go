package csidriver

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// extended copies extended attributes, access control lists among them.
func extended(from, to string) error {
	names, err := sized(func(b []byte) (int, error) { return unix.Llistxattr(from, b) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return named(from, err)
	}
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 {
			continue
		}
		value, err := sized(func(b []byte) (int, error) { return unix.Lgetxattr(from, string(name), b) })
		if errors.Is(err, unix.ENODATA) {
			continue // removed since the list was read
		}
		if err != nil {
			return named(from, err)
		}
		if err := unix.Lsetxattr(to, string(name), value, 0); err != nil {
			return named(to, err)
		}
	}
	return nil
}

// sized calls a function that fills a buffer, first for the size, and again
// when what it reads has grown meanwhile.
func sized(read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		b := make([]byte, n)
		n, err = read(b)
		if errors.Is(err, unix.ERANGE) {
			continue
		}
		return b[:max(n, 0)], err
	}
}
