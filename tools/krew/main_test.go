package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheTemplateAgreesWithTheRelease(t *testing.T) {
	t.Parallel()
	if err := check([]byte(read(t, "krew-manifest.yaml")), []byte(read(t, ".goreleaser.yaml"))); err != nil {
		t.Error(err)
	}
}

// TestCheckSeesWhatDiffers changes one thing at a time.
func TestCheckSeesWhatDiffers(t *testing.T) {
	t.Parallel()
	template, release := read(t, "krew-manifest.yaml"), read(t, ".goreleaser.yaml")
	for _, c := range []struct{ in, before, after, want string }{
		{"krew", "  name: volsync-kopia", "  name: volsync_kopia", "metadata.name"},
		{"krew", "bin: kubectl-volsync_kopia\n", "bin: kubectl-volsync-kopia\n", "bin is"},
		{"krew", "from: LICENSE", "from: README.md", "files are"},
		{"krew", "arch: arm64", "arch: amd64", "selected twice"},
		{"krew", "_linux_arm64.tar.gz", "_linux_aarch64.tar.gz", "uri is"},
		{"krew", "version: v0.0.0", "version: 0.0.0", "spec.version"},
		{"krew", "  homepage:", "  homePage2:", "unknown field"},
		{"release", "windows_amd64", "windows_arm64", "built are"},
		{"release", "files: [LICENSE]", "files: []", "LICENSE"},
		{"release", "name_template: checksums.txt", "name_template: sums", "checksums.txt"},
		{"release", "binary: kubectl-volsync_kopia", "binary: kubectl-volsync-kopia", "does not build"},
	} {
		a, b := template, release
		if c.in == "krew" {
			a = strings.Replace(a, c.before, c.after, 1)
		} else {
			b = strings.Replace(b, c.before, c.after, 1)
		}
		if a == template && b == release {
			t.Errorf("%q is not there", c.before)
		}
		if err := check([]byte(a), []byte(b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.after, err, c.want)
		}
	}
}

func TestStampFillsVersionAndDigests(t *testing.T) {
	t.Parallel()
	template := read(t, "krew-manifest.yaml")
	var sums strings.Builder
	for i, target := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64"} {
		fmt.Fprintf(&sums, "%064x  kubectl-volsync_kopia_v1.2.3_%s.tar.gz\n", i+1, target)
	}
	got, err := stamp(template, "v1.2.3", sums.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"v0.0.0", strings.Repeat("0", 64), "#"} {
		if strings.Contains(got, gone) {
			t.Errorf("%s stays in\n%s", gone, got)
		}
	}
	_, second, _ := strings.Cut(got, "v1.2.3_linux_arm64.tar.gz\n")
	if !strings.HasPrefix(second, "    sha256: \""+strings.Repeat("0", 63)+"2\"") {
		t.Errorf("the digest of linux_arm64 is not below its uri:\n%s", got)
	}
	if _, err := stamp(template, "v1.2.3", "none"); err == nil || !strings.Contains(err.Error(), "linux_amd64") {
		t.Errorf("without checksums: %v", err)
	}
	if _, err := stamp(template, "1.2.3", sums.String()); err == nil {
		t.Error("a version without v is taken")
	}
}
