package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// builtImage reads the image that VK_IMAGE names or, when VK_REQUIRE has
// "image", the one that make image wrote. Else the test is skipped: an image
// of yesterday says nothing about the code.
func builtImage(t *testing.T) opened {
	t.Helper()
	name := os.Getenv("VK_IMAGE")
	if name == "" {
		if !required() {
			t.Skip("skipped: make test-image runs this")
		}
		name = "../../dist/mover-image.tar"
	}
	archive, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return openArchive(t, archive)
}

func required() bool {
	return slices.Contains(strings.Split(os.Getenv("VK_REQUIRE"), ","), "image")
}

// files is what a container of the image sees.
func (o opened) files(t *testing.T) tree {
	t.Helper()
	var layers []tree
	for _, data := range o.layers {
		layer := tree{}
		for r := tar.NewReader(bytes.NewReader(data)); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			layer[strings.TrimSuffix(h.Name, "/")] = node{h.Typeflag, h.Mode, h.Linkname, text}
		}
		layers = append(layers, layer)
	}
	return union(layers)
}

// promised are the programs that the validator takes to be in the image: the
// words of imagePrograms in internal/validate.
func promised(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/validate/actions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants, words := map[string]string{}, ""
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if text, ok := literal(spec.Values[i]); ok {
					constants[name.Name] = text
				}
			}
		}
		return true
	})
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "imagePrograms" {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if text, ok := literal(n); ok {
				words += " " + text
			} else if name, ok := n.(*ast.Ident); ok {
				words += " " + constants[name.Name]
			}
			return true
		})
	}
	if words == "" {
		t.Fatal("no imagePrograms in internal/validate/actions.go")
	}
	return slices.Compact(slices.Sorted(strings.FieldsSeq(words)))
}

func literal(n ast.Node) (string, bool) {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// programs are those that the image's PATH leads to.
func (o opened) programs(t *testing.T) []string {
	t.Helper()
	var found []string
	for name, n := range o.files(t) {
		for _, dir := range []string{"usr/local/bin", "usr/bin", "usr/sbin"} {
			if filepath.Dir(name) == dir && (n.mode&0o111 == 0o111 || n.kind == tar.TypeSymlink) {
				found = append(found, filepath.Base(name))
			}
		}
	}
	slices.Sort(found)
	return found
}

// TestBuiltImage: the image holds together and runs as settings says.
func TestBuiltImage(t *testing.T) {
	t.Parallel()
	o := builtImage(t)
	files := o.files(t)
	if err := complete(files, o.config.Architecture); err != nil {
		t.Error(err)
	}
	want := settings(runtime.GOARCH, o.config.Config.Labels["org.opencontainers.image.version"])
	if diff := cmp.Diff(want.Config, o.config.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if n := bytes.Count(files["etc/ssl/certs/ca-certificates.crt"].data, []byte("BEGIN CERTIFICATE")); n < 100 {
		t.Errorf("%d certificates", n)
	}
	for name, n := range files {
		if n.mode&0o6000 != 0 {
			t.Errorf("%s has a set-id bit", name)
		}
		if n.mode&0o002 != 0 && n.kind != tar.TypeSymlink && name != "tmp" && name != "var/tmp" {
			t.Errorf("everybody may write %s", name)
		}
	}
}

// TestValidatorKnowsTheImage: a program that the validator warns of is not in
// the image, and every other one is.
func TestValidatorKnowsTheImage(t *testing.T) {
	t.Parallel()
	o := builtImage(t)
	said := promised(t)
	for _, p := range o.programs(t) {
		if !slices.Contains(said, p) {
			t.Errorf("the image has %s, of which the validator warns", p)
		}
	}
	// What is no program may be a builtin: ask the image's own bash.
	script := `for p; do type -t -- "$p" >&2 || printf '%s\n' "$p"; done`
	if missing := container(t, o, append([]string{"bash", "-c", script, "bash"}, said...)...); missing != "" {
		t.Errorf("the validator says that these are in the image:\n%s", missing)
	}
}

// container runs a program the way a pod does: as the image's user, in its
// environment, on a root file system that is read-only.
func container(t *testing.T, o opened, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if required() {
			t.Fatal("VK_REQUIRE has image, but running its programs needs root")
		}
		t.Skip("skipped: running the image's programs needs root")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, layer := range o.layers {
		unpacking := exec.Command("tar", "-xpf", "-", "-C", root)
		unpacking.Stdin = bytes.NewReader(layer)
		if out, err := unpacking.CombinedOutput(); err != nil {
			t.Fatalf("tar: %v\n%s", err, out)
		}
	}
	const enter = `set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", enter, "sh", root, o.config.Config.User}, args...)...)
	cmd.Env = o.config.Config.Env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func TestProgramsRun(t *testing.T) {
	t.Parallel()
	o := builtImage(t)
	const script = `set -eu
id -un; id -u
printf 'é' | wc -m
! touch /x 2>/dev/null; echo read-only
printf '2\n1\n' | stdbuf -oL sort | head -n 1
command -v kopia kubectl-volsync_kopia sh
kopia --version >&2
kubectl-volsync_kopia version >&2
sh -c 'echo ${BASH_VERSION:+bash}'
`
	want := "mover\n65532\n1\nread-only\n1\n/usr/local/bin/kopia\n/usr/local/bin/kubectl-volsync_kopia\n/usr/bin/sh\nbash\n"
	if diff := cmp.Diff(want, container(t, o, "bash", "-c", script)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}
