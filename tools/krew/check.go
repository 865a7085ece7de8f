package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/tools/goreleaser"
)

// manifest is the part of krew's plugin manifest that is checked, by the rules of
// krew's own validator.
type manifest struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"`
	Metadata   struct{ Name string } `json:"metadata"`
	Spec       struct {
		Version          string     `json:"version"`
		Homepage         string     `json:"homepage"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Caveats          string     `json:"caveats"`
		Platforms        []platform `json:"platforms"`
	} `json:"spec"`
}

type platform struct {
	Selector struct {
		MatchLabels struct{ OS, Arch string } `json:"matchLabels"`
	} `json:"selector"`
	URI    string                      `json:"uri"`
	SHA256 string                      `json:"sha256"`
	Bin    string                      `json:"bin"`
	Files  []struct{ From, To string } `json:"files"`
}

// binary is the name that kubectl finds the plugin by: it maps the dash of
// "kubectl volsync-kopia" to an underscore.
const (
	plugin       = "volsync-kopia"
	binary       = "kubectl-volsync_kopia"
	archiveName  = "{{ .ProjectName }}_v{{ .Version }}_{{ .Os }}_{{ .Arch }}"
	shortAtMost  = 50
	downloadBase = "https://github.com/volsync-kopia/kubectl-volsync-kopia/releases/download/"
)

// check says everything in which the template, the release's configuration and
// the plugin's names do not agree.
func check(template, configuration []byte) error {
	var m manifest
	if err := yaml.UnmarshalStrict(template, &m); err != nil {
		return fmt.Errorf("krew-manifest.yaml: %w", err)
	}
	r, err := goreleaser.Parse(configuration)
	if err != nil {
		return err
	}
	var errs []error
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	expect(m.APIVersion == "krew.googlecontainertools.github.com/v1alpha2" && m.Kind == "Plugin", "the manifest is no krew Plugin")
	expect(m.Metadata.Name == plugin, "metadata.name is %q", m.Metadata.Name)
	expect(m.Spec.Version == templateVersion, "spec.version is %q, and a release could not stamp it", m.Spec.Version)
	expect(m.Spec.Homepage != "" && m.Spec.Description != "", "homepage or description is missing")
	expect(m.Spec.ShortDescription != "" && len(m.Spec.ShortDescription) <= shortAtMost, "shortDescription is empty or longer than %d", shortAtMost)
	expect(r.Project == binary && len(r.Builds) == 1 && r.Builds[0].Binary == binary, ".goreleaser.yaml does not build %s alone", binary)
	expect(len(r.Archives) == 1 && r.Archives[0].Name == archiveName && slices.Equal(r.Archives[0].Formats, []string{"tar.gz"}),
		".goreleaser.yaml names its archives otherwise than %s.tar.gz", archiveName)
	expect(len(r.Archives) == 1 && slices.Contains(r.Archives[0].Files, "LICENSE"), ".goreleaser.yaml leaves LICENSE out of the archives")
	expect(r.Checksum.Name == "checksums.txt" && r.Checksum.Algorithm == "sha256", ".goreleaser.yaml makes no checksums.txt of sha256")
	var targets []string
	for i := range m.Spec.Platforms {
		p := &m.Spec.Platforms[i]
		target := p.Selector.MatchLabels.OS + "_" + p.Selector.MatchLabels.Arch
		targets = append(targets, target)
		if err := p.check(target); err != nil {
			errs = append(errs, err)
		}
	}
	slices.Sort(targets)
	expect(len(slices.Compact(slices.Clone(targets))) == len(targets), "a platform is selected twice: %s", targets)
	if len(r.Builds) == 1 {
		built := slices.Sorted(slices.Values(r.Builds[0].Targets))
		expect(slices.Equal(built, targets), "built are %s, in the manifest are %s", built, targets)
	}
	return errors.Join(errs...)
}

// check says what is wrong with the platform of that name.
func (p *platform) check(target string) error {
	bin := binary
	if p.Selector.MatchLabels.OS == "windows" {
		bin += ".exe"
	}
	var files []string
	for _, f := range p.Files {
		files = append(files, f.From+">"+f.To)
	}
	uri := downloadBase + templateVersion + "/" + binary + "_" + templateVersion + "_" + target + ".tar.gz"
	switch {
	case p.Bin != bin:
		return fmt.Errorf("%s: bin is %q, want %q", target, p.Bin, bin)
	case !slices.Equal(files, []string{bin + ">.", "LICENSE>."}):
		return fmt.Errorf("%s: files are %s", target, files)
	case p.URI != uri:
		return fmt.Errorf("%s: uri is %s, want %s", target, p.URI, uri)
	case p.SHA256 != strings.Repeat("0", digestLength):
		return fmt.Errorf("%s: sha256 is %q, and a release could not stamp it", target, p.SHA256)
	}
	return nil
}
