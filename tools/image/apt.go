package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// fetch returns the files of packages in the version that apt would install,
// in the same order. A file of the right digest in the cache is not downloaded.
func fetch(ctx context.Context, cache string, list []debianPackage) ([]string, error) {
	arch, err := output(ctx, "", "dpkg", "--print-architecture")
	if err != nil {
		return nil, err
	}
	if got := strings.TrimSpace(string(arch)); got != runtime.GOARCH {
		return nil, fmt.Errorf("dpkg is for %s, this program for %s", got, runtime.GOARCH)
	}
	wanted, err := candidates(ctx, list)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	if err := download(ctx, cache, list, wanted); err != nil {
		return nil, err
	}
	files := make([]string, len(list))
	for i, p := range list {
		files[i] = filepath.Join(cache, wanted[p.name].file)
		if err := wanted[p.name].verify(cache); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// candidate is the file of a package and its SHA-256, as the archive has it.
type candidate struct{ file, digest string }

// aptDownload is the command without its packages. apt's sandbox is off: its
// user could not write to the cache.
func aptDownload(args ...string) []string {
	return append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, args...)
}

// candidates asks apt which file each package is now.
func candidates(ctx context.Context, list []debianPackage) (found map[string]candidate, err error) {
	args := aptDownload("--print-uris")
	for _, p := range list {
		args = append(args, p.name)
	}
	// In an empty directory: apt is silent about files that are there.
	empty, err := os.MkdirTemp("", "image-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(empty)) }()
	out, err := output(ctx, empty, "apt-get", args...)
	if err != nil {
		return nil, err
	}
	if found, err = parseURIs(string(out)); err != nil {
		return nil, err
	}
	for _, p := range list {
		if _, ok := found[p.name]; !ok {
			return nil, fmt.Errorf("apt knows no package %s; apt-get update may help", p.name)
		}
	}
	return found, nil
}

// parseURIs reads what apt-get --print-uris says, by package. A line is
//
//	'URI' NAME_VERSION_ARCHITECTURE.deb SIZE SHA256:DIGEST
func parseURIs(text string) (map[string]candidate, error) {
	found := map[string]candidate{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 4 || filepath.Base(fields[1]) != fields[1] {
			return nil, fmt.Errorf("apt-get says %q, which names no file", strings.TrimSpace(line))
		}
		digest, ok := strings.CutPrefix(fields[3], "SHA256:")
		if !ok {
			return nil, fmt.Errorf("apt-get gives no SHA-256 for %s", fields[1])
		}
		name, _, _ := strings.Cut(fields[1], "_")
		found[name] = candidate{fields[1], digest}
	}
	return found, nil
}

// download gets what is not in the cache yet, or is broken there.
func download(ctx context.Context, cache string, list []debianPackage, wanted map[string]candidate) error {
	var missing []string
	for _, p := range list {
		err := wanted[p.name].verify(cache)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			if err := os.Remove(filepath.Join(cache, wanted[p.name].file)); err != nil {
				return err
			}
		}
		missing = append(missing, p.name)
	}
	if len(missing) == 0 {
		return nil
	}
	_, err := output(ctx, cache, "apt-get", aptDownload(missing...)...)
	return err
}

// verify compares the file in the cache with the archive's digest.
func (c candidate) verify(cache string) error {
	data, err := os.ReadFile(filepath.Join(cache, c.file))
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != c.digest {
		return fmt.Errorf("%s has another SHA-256 than the archive says", c.file)
	}
	return nil
}

// unpack returns a package's description and its files, as a tar.
func unpack(ctx context.Context, file string) (control, files []byte, err error) {
	if control, err = output(ctx, "", "dpkg-deb", "--field", file); err != nil {
		return nil, nil, err
	}
	files, err = output(ctx, "", "dpkg-deb", "--fsys-tarfile", file)
	return control, files, err
}

// output runs a program in a directory and returns what it prints.
func output(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: the image is made on Debian; elsewhere, use the Dockerfile", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
