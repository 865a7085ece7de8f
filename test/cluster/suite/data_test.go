package suite

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// populate fills the data volume: for a privileged mover with files of several
// owners, modes, links, names and attributes, else with what anybody may read.
func (n *space) populate(privileged bool) {
	n.t.Helper()
	if !privileged {
		kopiatest.Write(n.t, filepath.Join(n.data, "a.txt"), "first\n")
		kopiatest.Write(n.t, filepath.Join(n.data, "sub dir", "b.txt"), "second\n")
		return
	}
	kopiatest.Tree(n.t, n.data)
	of := func(name string) string { return filepath.Join(n.data, name) }
	kopiatest.Write(n.t, of("shared.sh"), "#!/bin/sh\necho shared\n")
	for _, err := range []error{
		os.Chown(of("a.txt"), 999, 1234),
		os.Chown(of("nothing in here"), 65534, 65534),
		os.Chmod(of("a.txt"), 0o400),
		os.Chown(of("shared.sh"), 1000, 1234),
		os.Chmod(of("shared.sh"), os.ModeSetgid|0o755),
		os.Link(of("script.sh"), of(linked)),
		unix.Setxattr(of("a.txt"), attribute, []byte(attributeValue), 0),
		unix.Setxattr(of("sub dir"), attribute, []byte(attributeValue), 0),
	} {
		n.must(err)
	}
}

// What a populated volume has and kopia does not keep: another name of script.sh,
// and an extended attribute of a.txt and of "sub dir".
const (
	linked         = "sub dir/linked.sh"
	attribute      = "user.vk-suite"
	attributeValue = "noted"
)

// hasLinksAndAttributes fails the test unless a directory has them.
func (n *space) hasLinksAndAttributes(dir string) {
	n.t.Helper()
	first, err := os.Stat(filepath.Join(dir, "script.sh"))
	n.must(err)
	second, err := os.Stat(filepath.Join(dir, linked))
	n.must(err)
	if !os.SameFile(first, second) {
		n.t.Errorf("in %s script.sh and %s are two files", dir, linked)
	}
	for _, name := range []string{"a.txt", "sub dir"} {
		value := make([]byte, 64)
		length, err := unix.Getxattr(filepath.Join(dir, name), attribute, value)
		if err != nil || string(value[:max(length, 0)]) != attributeValue {
			n.t.Errorf("in %s %s of %s is %q: %v", dir, attribute, name, value[:max(length, 0)], err)
		}
	}
}
