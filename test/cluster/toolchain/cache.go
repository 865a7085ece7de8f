// Package toolchain builds the programs of the test cluster from pinned Go modules, each once, into a cache outside
// the work tree.
package toolchain

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"
)

const modulePath = "github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster"

// Cache knows where the pinned modules are and where their programs go.
type Cache struct {
	// Source is the folder of the module test/cluster.
	Source string
	// Dir holds one folder for each tool, version, Go version and platform.
	Dir string
}

// Open finds the module from the working directory upwards. The cache is VK_CACHE, or kubectl-volsync-kopia/tools in
// the user's cache folder.
func Open() (Cache, error) {
	dir := os.Getenv("VK_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return Cache{}, err
		}
		dir = filepath.Join(user, "kubectl-volsync-kopia", "tools")
	}
	source, err := findSource()
	return Cache{Source: source, Dir: dir}, err
}

func findSource() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		for _, candidate := range []string{dir, filepath.Join(dir, "test", "cluster")} {
			data, err := os.ReadFile(filepath.Join(candidate, "go.mod"))
			if err == nil && modfile.ModulePath(data) == modulePath {
				return candidate, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no module %s in %s or above it: start this inside a checkout", modulePath, start)
		}
	}
}

// Program is the path of a built program or copied file. It need not exist: Ensure makes it.
func (c Cache) Program(toolName, program string) (string, error) {
	t, err := find(toolName)
	if err != nil {
		return "", err
	}
	dir, err := c.folder(t)
	return filepath.Join(dir, program), err
}

// Missing lists the named tools that are not in the cache.
func (c Cache) Missing(names ...string) ([]string, error) {
	var missing []string
	for _, name := range names {
		dir, err := c.Program(name, "")
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

func find(name string) (tool, error) {
	for _, t := range tools() {
		if t.name == name {
			return t, nil
		}
	}
	return tool{}, fmt.Errorf("no tool is called %q", name)
}

// folder names the version, the Go version and the platform, for the reader, and a digest of everything that the
// build depends on, so that a changed pin or flag is never answered with an old program.
func (c Cache) folder(t tool) (string, error) {
	version, err := c.version(t)
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	fmt.Fprintf(digest, "%q %q %q %q %v %q\n", t.packages, t.output, t.tags, t.ldflags, t.cgo, t.copy)
	root := filepath.Join(c.Source, "tools", t.dir)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(digest, "%s %d\n%s", strings.TrimPrefix(path, root), len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%s-%s-%s-%s-%x", t.name, version, runtime.Version(), runtime.GOOS, runtime.GOARCH, digest.Sum(nil)[:4])
	return filepath.Join(c.Dir, name), nil
}

func (c Cache) version(t tool) (string, error) {
	path := filepath.Join(c.Source, "tools", t.dir, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	file, err := modfile.ParseLax(path, data, nil)
	if err != nil {
		return "", err
	}
	for _, r := range file.Require {
		if r.Mod.Path == t.module {
			return strings.TrimPrefix(r.Mod.Version, "v"), nil
		}
	}
	return "", fmt.Errorf("%s does not pin %s", path, t.module)
}
