package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// kustomization builds a directory's kustomization. The places of findings are
// lines of what it builds, which is what kubectl kustomize prints.
func (r *inputReader) kustomization(dir string, yield yieldInput) bool {
	if !r.first("-k " + filepath.Clean(dir)) {
		return true
	}
	if remote(dir) {
		return stop(yield, notFetched(dir))
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	if err != nil {
		return stop(yield, fault.New(fault.Usage, "-k %w", plainPath(dir, err)).WithHint("name the directory that holds kustomization.yaml"))
	}
	data, err := r.factory.build(dir)
	if err != nil {
		return stop(yield, err)
	}
	return yield(spec.Input{Name: "<kustomize " + filepath.ToSlash(dir) + ">", Data: data}, nil)
}

// build runs kustomize as kubectl does: without plugins, and reading nothing
// outside the directories of its kustomizations. What it warns of is a warning.
func (f *Factory) build(dir string) ([]byte, error) {
	disk := &localFiles{FileSystem: filesys.MakeFsOnDisk()}
	var built resmap.ResMap
	var err error
	said := map[string]bool{}
	unheard := saidBy(func() {
		built, err = krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, dir)
	}, func(line string) {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "# "), "Warning: ")
		if !said[line] {
			said[line] = true
			f.warning("-k " + dir + ": " + line)
		}
	})
	if unheard != nil {
		return nil, unheard
	}
	if disk.refused != nil {
		return nil, disk.refused
	}
	var data []byte
	if err == nil {
		data, err = built.AsYaml()
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "-k %s: %w", dir, err).WithHint("see kubectl kustomize " + dir)
	}
	return data, nil
}

// localFiles is the disk, on which no kustomization names what lies elsewhere:
// kustomize would fetch it, with git or from a web server, within no bounds.
type localFiles struct {
	filesys.FileSystem

	// refused is the first such kustomization. Kustomize takes one that cannot
	// be read for one that does not exist, so its own error says nothing.
	refused error
}

// ReadFile implements filesys.FileSystem.
func (l *localFiles) ReadFile(path string) ([]byte, error) {
	if l.refused != nil {
		return nil, l.refused
	}
	data, err := l.FileSystem.ReadFile(path)
	if err != nil || !slices.Contains(konfig.RecognizedKustomizationFileNames(), filepath.Base(path)) {
		return data, err
	}
	var k types.Kustomization
	_ = k.Unmarshal(data) // kustomize says what is wrong
	for _, entry := range entriesOf(&k) {
		if remote(entry) {
			l.refused = notFetched(entry).At(path)
			return nil, l.refused
		}
	}
	return data, nil
}

// entriesOf are all paths that a kustomization names.
func entriesOf(k *types.Kustomization) []string {
	//nolint:staticcheck // deprecated fields can name something remote, too
	entries := slices.Concat(k.Resources, k.Bases, k.Components, k.Crds, k.Configurations, k.Generators, k.Transformers, k.Validators)
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // as above
		entries = append(entries, string(p))
	}
	for _, p := range slices.Concat(k.Patches, k.PatchesJson6902) { //nolint:staticcheck // as above
		entries = append(entries, p.Path)
	}
	for _, p := range k.Replacements {
		entries = append(entries, p.Path)
	}
	sources := make([]types.KvPairSources, 0, len(k.ConfigMapGenerator)+len(k.SecretGenerator))
	for i := range k.ConfigMapGenerator {
		sources = append(sources, k.ConfigMapGenerator[i].KvPairSources)
	}
	for i := range k.SecretGenerator {
		sources = append(sources, k.SecretGenerator[i].KvPairSources)
	}
	for _, s := range sources {
		entries = append(append(entries, s.EnvSources...), s.EnvSource)
		for _, file := range s.FileSources {
			_, path, named := strings.Cut(file, "=")
			if !named {
				path = file
			}
			entries = append(entries, path)
		}
	}
	return append(entries, k.OpenAPI["path"])
}

// remotePath is how kustomize tells an address from a path: a scheme, git's own
// forms, or a well-known host.
var remotePath = regexp.MustCompile(`(?i)^(git::|github\.com[/:]|[a-z][a-z0-9-]*@[^/]+[:/])|^[^\n]*://`)

// remote reports whether kustomize would fetch the entry. A patch may be given
// in place of its path; it has more than one line.
func remote(entry string) bool {
	return !strings.Contains(strings.TrimSpace(entry), "\n") && remotePath.MatchString(strings.TrimSpace(entry))
}

func notFetched(entry string) *fault.Error {
	return fault.New(fault.Usage, "-k reads local files only, and %s is elsewhere", quote(shown(entry))).
		WithHint("build it with kustomize, and give the output: kubectl kustomize DIR | kubectl volsync-kopia ... -f -")
}
