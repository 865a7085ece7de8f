package mover

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

// checkLinks refuses a target in which a symbolic link stands where the snapshot has
// something else that kopia would write through it, to wherever it leads: kopia
// takes a link to a directory for the directory, and reports success. A link that
// is one in the snapshot too is replaced. Only a target with such links costs a
// process that lists the snapshot.
func (d *driver) checkLinks(ctx context.Context, id string) error {
	target := d.task.Restore.TargetDir
	all := slices.Contains(d.task.Restore.Args, notAtomically)
	dir := kopiaexec.RealPath(target)
	links, unread := linksIn(dir, all)
	if len(links) == 0 && !unread {
		return nil
	}
	out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.List(d.paths, id)})
	switch {
	case ctx.Err() != nil:
		return stopOf(ctx, "; nothing was restored")
	case err != nil:
		return failed("Kopia", fault.New(fault.Failed, "see whether a link in %s stands in the way: %w", target, err).
			WithHint("make all of the target readable, or restore to an empty directory"))
	case !out.OK():
		return diagnosed("list the content of snapshot "+id, out)
	}
	root := id + "/"
	if len(out.Stdout) > 0 && !bytes.HasPrefix(out.Stdout, []byte(root)) {
		return failed("UnreadableResult", fault.New(fault.Failed, "kopia listed the content of snapshot %s in a way that is not known, and there are links in %s", id, target).
			WithHint("restore to an empty directory"))
	}
	if inTheWay := linksAt(target, root, out.Stdout, all); len(inTheWay) > 0 {
		return refused("TargetHasLinks", linksError(inTheWay, all))
	}
	if link := unlistable(links, dir); link != "" {
		return refused("TargetHasLinks", fault.New(fault.Refused,
			"%q is a symbolic link whose path has a line break, so that it cannot be compared with the snapshot", link).
			WithHint("remove the link, or restore to an empty directory"))
	}
	return nil
}

// unlistable is the first link whose path below dir a list with a path a line cannot
// hold, or empty.
func unlistable(links []string, dir string) string {
	i := slices.IndexFunc(links, func(link string) bool { return strings.ContainsAny(strings.TrimPrefix(link, dir), "\r\n") })
	if i < 0 {
		return ""
	}
	return links[i]
}

func linksError(links []string, all bool) *fault.Error {
	leads, err := os.Readlink(links[0])
	if err != nil {
		leads = "somewhere else"
	}
	more := ""
	if len(links) > 1 {
		more = fmt.Sprintf(" (and %s like it)", count(int64(len(links)-1), "other", "others"))
	}
	hint := "remove the link, or restore to an empty directory"
	if all {
		hint += "; without --no-write-files-atomically links to files are no obstacle"
	}
	return fault.New(fault.Refused, "%q is a symbolic link to %q, and the snapshot has something else there, which would be written to where the link leads%s",
		links[0], leads, more).WithHint(hint)
}

// linksIn finds the links below dir that lead to directories, or with all every
// link. unread is true when it could not look everywhere.
func linksIn(dir string, all bool) (links []string, unread bool) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			unread = true
		case entry.Type()&fs.ModeSymlink != 0 && (all || leadsToDirectory(path)):
			links = append(links, path)
		}
		return nil
	})
	return links, unread
}

func leadsToDirectory(link string) bool {
	info, err := os.Stat(link)
	return err == nil && info.IsDir()
}

// linksAt finds what stands in the target as a link and in the snapshot, of which
// listing has the paths below root, as a directory; with all also as anything else.
func linksAt(target, root string, listing []byte, all bool) []string {
	var links []string
	lines := bufio.NewScanner(bytes.NewReader(listing))
	lines.Buffer(nil, len(listing)+1)
	for lines.Scan() {
		name, known := strings.CutPrefix(lines.Text(), root)
		name, directory := strings.CutSuffix(name, "/")
		if !known || name == "" || !directory && !all {
			continue
		}
		path := filepath.Join(target, filepath.FromSlash(name))
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			links = append(links, path)
		}
	}
	return links
}
