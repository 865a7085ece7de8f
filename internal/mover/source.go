package mover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// ownerHint is the way out where the source cannot be read.
const ownerHint = "run as the owner of the data; in a cluster, set spec.kopia.moverSecurityContext.runAsUser to it"

// lostFound is made by ext file systems at their root and is no user data.
const lostFound = "lost+found"

// source is the directory that is backed up.
type source struct {
	// dir is the directory on this machine.
	dir string
	// rel is dir relative to the volume's root; "." is the whole volume.
	rel string
	// shortened is true when the mount path was taken off sourcePath.
	shortened bool
}

// findSource resolves sourcePath below the volume's root. It follows no
// symbolic link: one could lead to other data than the manifest names, or out
// of the volume.
func findSource(rootDir, sourcePath string) (source, error) {
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return source{}, refused("SourceMissing", fault.New(fault.Refused, "open the source volume: %w", err).
			WithHint("let the user that the mover runs as read it: by the directory's mode, or in a cluster by spec.kopia.moverSecurityContext"))
	}
	defer root.Close()
	rel, err := relative(sourcePath)
	if err != nil {
		return source{}, err
	}
	s := source{rel: rel}
	err = checkDir(root, rel)
	if short, ok := result.WithoutMount(sourcePath); ok && errors.Is(err, fs.ErrNotExist) {
		if checkDir(root, short) == nil {
			s, err = source{rel: short, shortened: true}, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return source{}, refused("SourcePathMissing", fault.New(fault.Refused,
			"sourcePath %q does not exist in the volume", sourcePath).WithHint(beside(root, rel)))
	}
	s.dir = filepath.Join(rootDir, s.rel)
	return s, err
}

// relative makes sourcePath relative to the volume's root.
func relative(sourcePath string) (string, error) {
	for part := range strings.SplitSeq(sourcePath, "/") {
		if part == ".." {
			return "", refused("SourcePathInvalid", fault.New(fault.Refused, "sourcePath %q leads upwards with \"..\"", sourcePath))
		}
	}
	return strings.TrimPrefix(path.Clean("/"+sourcePath), "/") + dotIfEmpty(path.Clean("/"+sourcePath)), nil
}

func dotIfEmpty(clean string) string {
	if clean == "/" {
		return "."
	}
	return ""
}

// checkDir looks at every part of the path: each must be a real directory.
func checkDir(root *os.Root, rel string) error {
	if rel == "." {
		return nil
	}
	parts := strings.Split(rel, "/")
	for i := range parts {
		sub := path.Join(parts[:i+1]...)
		info, err := root.Lstat(sub)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return err
		case err != nil:
			return refused("SourcePathUnreadable", fault.New(fault.Refused, "look at sourcePath: %w", err))
		case info.Mode()&fs.ModeSymlink != 0:
			return refused("SourcePathInvalid", fault.New(fault.Refused, "sourcePath leads through the symbolic link %q", sub).
				WithHint("name the directory that the link leads to"))
		case !info.IsDir():
			return refused("SourcePathInvalid", fault.New(fault.Refused, "sourcePath leads to %q, which is not a directory", sub))
		}
	}
	return nil
}

// beside says what the nearest directory that exists holds.
func beside(root *os.Root, rel string) string {
	const most = 10
	parent := path.Dir(rel)
	for parent != "." && checkDir(root, parent) != nil {
		parent = path.Dir(parent)
	}
	entries, err := fs.ReadDir(root.FS(), parent)
	if err != nil || len(entries) == 0 {
		return fmt.Sprintf("the directory %q of the volume is empty", parent)
	}
	var names []string
	for _, entry := range entries[:min(len(entries), most)] {
		names = append(names, entry.Name())
	}
	if len(entries) > most {
		names = append(names, fmt.Sprintf("and %d more", len(entries)-most))
	}
	return fmt.Sprintf("the directory %q of the volume holds: %s", parent, strings.Join(names, ", "))
}

// recordedPath is the path that the snapshot is recorded under.
func (s source) recordedPath(planned string, task *result.BackupTask) string {
	if !s.shortened || task.PathOverridden {
		return planned
	}
	_, short := result.RecordedPath(task.SourcePath, "")
	return short
}

// lookAgain makes sure that the source is still what it was found to be: since
// then the workload that uses the volume, or the before-action, may have put a
// symbolic link in its place, and kopia would follow it. What is exchanged while
// kopia reads, only kopia could see.
func (s source) lookAgain(task *result.BackupTask) error {
	now, err := findSource(task.Root, task.SourcePath)
	if err == nil && now.rel == s.rel {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("sourcePath %q led to %q and leads to %q now", task.SourcePath, s.rel, now.rel)
	}
	changed := fault.New(fault.Failed, "the source has changed during the run: %w; no snapshot was made", err)
	var why *fault.Error
	if errors.As(err, &why) {
		changed = changed.WithHint(why.Hint)
	}
	return failed("SourceChanged", changed)
}

// empty reports whether the directory holds nothing to back up.
func (s source) empty() (bool, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return false, refused("SourceUnreadable", fault.New(fault.Refused, "read the source as uid %d: %w", os.Geteuid(), err).
			WithHint(ownerHint))
	}
	for _, entry := range entries {
		if s.rel != "." || entry.Name() != lostFound {
			return false, nil
		}
	}
	return true, nil
}

// layers are the policy values that the source itself asks for: a lost+found
// that only root can read would fail every backup by another user.
func (s source) layers() []result.PolicyLayer {
	if s.rel != "." {
		return nil
	}
	if _, err := os.ReadDir(filepath.Join(s.dir, lostFound)); !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	policy := json.RawMessage(`{"files":{"ignore":["/` + lostFound + `"]}}`)
	return []result.PolicyLayer{{From: "unreadable " + lostFound, Policy: policy}}
}
