// Command krew checks krew-manifest.yaml, and writes the manifest of a release:
//
//	go run ./tools/krew -check
//	go run ./tools/krew -version v1.2.3 -checksums dist/checksums.txt > volsync-kopia.yaml
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
)

// What the template holds until a release.
const (
	templateVersion = "v0.0.0"
	digestLength    = 64
)

var releaseVersion = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func main() {
	checkOnly := flag.Bool("check", false, "check the template, and write nothing")
	version := flag.String("version", "", "version of the release, with its v")
	checksums := flag.String("checksums", "", "the checksums.txt of the release's archives")
	flag.Parse()
	if err := run(*checkOnly, *version, *checksums); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(checkOnly bool, version, checksums string) error {
	template, err := os.ReadFile("krew-manifest.yaml")
	if err != nil {
		return err
	}
	release, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		return err
	}
	if err := check(template, release); err != nil || checkOnly {
		return err
	}
	digests, err := os.ReadFile(checksums)
	if err != nil {
		return err
	}
	stamped, err := stamp(string(template), version, string(digests))
	if err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(stamped)
	return err
}

// stamp puts the release's version and the digests of its archives in the place
// of the template's. The comment of the template is about the template.
func stamp(template, version, checksums string) (string, error) {
	if !releaseVersion.MatchString(version) {
		return "", fmt.Errorf("-version %q is no version as v1.2.3", version)
	}
	digests := map[string]string{}
	for line := range strings.Lines(checksums) {
		if digest, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok && len(digest) == digestLength {
			digests[strings.TrimLeft(file, " *")] = digest
		}
	}
	var b strings.Builder
	archive := ""
	for line := range strings.Lines(template) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.ReplaceAll(line, templateVersion, version)
		if uri, ok := strings.CutPrefix(strings.TrimSpace(line), "uri: "); ok {
			archive = path.Base(uri)
		}
		if zeros := strings.Repeat("0", digestLength); strings.Contains(line, zeros) {
			if digests[archive] == "" {
				return "", errors.New("the checksums have no line for " + archive)
			}
			line = strings.Replace(line, zeros, digests[archive], 1)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}
