package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// prepare makes the private directory of a run, and in it the Secrets and
// ConfigMaps that a pod would have mounted.
func prepare(p *plan.Prepare, set *spec.Set, namespace string) error {
	if err := makePrivate(p.WorkDir); err != nil {
		return err
	}
	for _, dir := range p.Directories {
		if err := os.MkdirAll(dir, privateDir); err != nil {
			return fault.New(fault.Failed, "make a directory of the run: %w", err)
		}
	}
	for _, d := range p.Files {
		content, err := keys(set, namespace, d)
		if err != nil {
			return err
		}
		if err := writeKeys(d, content); err != nil {
			return fault.New(fault.Failed, "write %s %q for the mover: %w", d.Kind, d.Name, err)
		}
	}
	return nil
}

// makePrivate makes the private directory, which may lie where everybody can make
// one: a directory or a link that is there already is somebody else's, and what
// is written there could be read.
func makePrivate(dir string) error {
	if err := os.Mkdir(dir, privateDir); errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Refused, "the run's private directory is there already: %w", err).At(dir).
			WithHint("nothing was written to it; run again, and find out who made it")
	} else if err != nil {
		return fault.New(fault.Failed, "make the run's private directory: %w", err).At(dir)
	}
	// Who makes a directory owns it. Its mode is the file system's word.
	info, err := os.Lstat(dir)
	if err != nil {
		return fault.New(fault.Failed, "look at the run's private directory: %w", err).At(dir)
	}
	if !info.IsDir() || runtime.GOOS != "windows" && info.Mode().Perm() != privateDir {
		return fault.New(fault.Refused, "the run's private directory is not private: its mode is %s", info.Mode()).At(dir).
			WithHint("its file system does not keep modes, or it was exchanged; set XDG_RUNTIME_DIR to a directory of your own")
	}
	return nil
}

// keys returns the content of the object of the input, by key.
func keys(set *spec.Set, namespace string, d plan.PreparedDir) (map[string][]byte, error) {
	content := map[string][]byte{}
	switch d.Kind {
	case spec.KindSecret:
		if doc := set.SecretFor(namespace, d.Name); doc != nil {
			for key, value := range doc.Secret.Data {
				content[key] = value.Reveal()
			}
			return content, nil
		}
	case spec.KindConfigMap:
		if doc := set.ConfigMapFor(namespace, d.Name); doc != nil {
			for key, value := range doc.ConfigMap.Data {
				content[key] = []byte(value)
			}
			return content, nil
		}
	}
	return nil, fault.New(fault.Refused, "%s %q is not in the input", d.Kind, d.Name).
		WithHint("a local run reads no cluster: add the file that holds it with another -f")
}

// writeKeys writes one file a key. Keys of Secrets and ConfigMaps hold no
// slash, which the API server checks and the input may not: os.Root refuses it.
func writeKeys(d plan.PreparedDir, content map[string][]byte) error {
	if err := os.MkdirAll(d.Dir, privateDir); err != nil {
		return err
	}
	root, err := os.OpenRoot(d.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for key, data := range content {
		name := key
		if d.Key != "" {
			if key != d.Key {
				continue
			}
			name = filepath.Base(d.File)
		}
		if err := root.WriteFile(name, data, privateFile); err != nil {
			return err
		}
	}
	return nil
}
