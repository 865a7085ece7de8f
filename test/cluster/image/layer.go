package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// layer writes parents before their children.
type layer struct {
	out  *tar.Writer
	made map[string]bool
}

func rootfs(s Spec) ([]byte, error) {
	var data bytes.Buffer
	l := layer{out: tar.NewWriter(&data), made: map[string]bool{}}
	accounts := []struct{ path, text string }{
		{"etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		{"etc/group", "root:x:0:\nnogroup:x:65534:\n"},
	}
	if err := l.folder("tmp", 0o1777); err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if err := l.file(a.path, 0o644, []byte(a.text)); err != nil {
			return nil, err
		}
	}
	if s.Busybox != "" {
		if err := l.busybox(s.Busybox); err != nil {
			return nil, err
		}
	}
	for _, target := range slices.Sorted(maps.Keys(s.Files)) {
		program, err := os.ReadFile(s.Files[target])
		if err != nil {
			return nil, err
		}
		if err := l.file(target, 0o755, program); err != nil {
			return nil, err
		}
	}
	return data.Bytes(), l.out.Close()
}

func (l layer) busybox(program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := l.file("bin/busybox", 0o755, data); err != nil {
		return err
	}
	applets, err := exec.Command(program, "--list").Output()
	if err != nil {
		return fmt.Errorf("%s --list: %w", program, err)
	}
	for _, name := range strings.Fields(string(applets)) {
		if name == "busybox" {
			continue
		}
		link := &tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777}
		if err := l.out.WriteHeader(link); err != nil {
			return err
		}
	}
	return nil
}

func (l layer) folder(name string, mode int64) error {
	name = strings.Trim(name, "/")
	if name == "" || name == "." || l.made[name] {
		return nil
	}
	if err := l.folder(path.Dir(name), 0o755); err != nil {
		return err
	}
	l.made[name] = true
	return l.out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}

func (l layer) file(name string, mode int64, data []byte) error {
	name = strings.Trim(name, "/")
	if err := l.folder(path.Dir(name), 0o755); err != nil {
		return err
	}
	return writeFile(l.out, name, mode, data)
}

func writeFile(out *tar.Writer, name string, mode int64, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

// FindBusybox finds a busybox on this machine that runs without shared libraries.
func FindBusybox() (string, error) {
	const install = "on Debian: apt-get install busybox-static"
	program, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("%w; %s", err, install)
	}
	file, err := elf.Open(program)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return "", fmt.Errorf("%s needs shared libraries; %s", program, install)
	}
	return program, nil
}
