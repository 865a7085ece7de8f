package main

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/volsync-kopia/kubectl-volsync-kopia/tools/goreleaser"
)

// configuration is goreleaser's, as this tool builds by it.
type configuration struct{ goreleaser.Configuration }

// release is what the templates of the configuration are filled with; the names
// are goreleaser's.
type release struct {
	ProjectName, Version, Os, Arch string
	Env                            map[string]string
}

// target is a platform.
type target struct{ os, arch string }

// parse reads the configuration. tools/krew checks that it agrees with krew's
// manifest.
func parse(text []byte) (configuration, error) {
	parsed, err := goreleaser.Parse(text)
	c := configuration{parsed}
	switch {
	case err != nil:
		return c, err
	case len(c.Builds) != 1 || len(c.Archives) != 1:
		return c, errors.New(".goreleaser.yaml: one build and one archive are needed")
	case len(c.Archives[0].Formats) != 1 || c.Archives[0].Formats[0] != "tar.gz":
		return c, errors.New(".goreleaser.yaml: archives are tar.gz")
	case c.Checksum.Name == "":
		return c, errors.New(".goreleaser.yaml: the checksums have no name")
	}
	return c, nil
}

func (c configuration) targets() []target {
	var all []target
	for _, name := range c.Builds[0].Targets {
		system, arch, _ := strings.Cut(name, "_")
		all = append(all, target{system, arch})
	}
	return all
}

// binary is the plugin's name on the platform.
func (c configuration) binary(t target) string {
	if t.os == "windows" {
		return c.Builds[0].Binary + ".exe"
	}
	return c.Builds[0].Binary
}

// archive is the name of the platform's archive.
func (c configuration) archive(r release, t target) (string, error) {
	r.ProjectName, r.Os, r.Arch = c.Project, t.os, t.arch
	name, err := r.fill(c.Archives[0].Name)
	return name + ".tar.gz", err
}

// flags are the arguments of go build.
func (c configuration) flags(r release) ([]string, error) {
	ldflags, err := r.fill(strings.Join(c.Builds[0].LDFlags, " "))
	return append(append([]string{}, c.Builds[0].Flags...), "-ldflags", ldflags), err
}

// fill fills one of goreleaser's templates. What it does not know is an error.
func (r release) fill(text string) (string, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf(".goreleaser.yaml: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, r); err != nil {
		return "", fmt.Errorf(".goreleaser.yaml: %w", err)
	}
	return b.String(), nil
}
