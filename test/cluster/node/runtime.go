package node

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"text/template"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/image"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/process"
	"github.com/volsync-kopia/kubectl-volsync-kopia/test/cluster/toolchain"
)

//go:embed config
var files embed.FS

// The images that every node has.
const (
	PauseImage = "vk.local/pause:1"
	// BusyboxImage is there if the machine has a static busybox.
	BusyboxImage = "vk.local/busybox:1"
)

// settings fill the templates of configuration files.
type settings struct {
	Dir, Bridge, PodRange, PauseImage, Cgroup string
	KubeletPort                               int
	Runc, CNI                                 string
}

func (c *Cluster) writeConfig(templateName, path string) error {
	s := settings{
		Dir: c.dir, Bridge: bridge, PodRange: podRange, PauseImage: PauseImage, Cgroup: cgroupName, KubeletPort: c.state.Ports.Kubelet,
	}
	var err error
	if s.Runc, err = c.tools.Program(toolchain.Runc, "runc"); err != nil {
		return err
	}
	if s.CNI, err = c.tools.Program(toolchain.CNI, ""); err != nil {
		return err
	}
	parsed, err := template.New(templateName).Option("missingkey=error").ParseFS(files, "config/"+templateName)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := parsed.Execute(file, s); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return file.Close()
}

// startContainerd returns when containerd answers.
func (c *Cluster) startContainerd(ctx context.Context) error {
	if err := c.writeConfig("containerd.toml.tmpl", c.path("containerd", "config.toml")); err != nil {
		return err
	}
	if err := c.writeConfig("cni.conflist.tmpl", c.path("cni", "10-pods.conflist")); err != nil {
		return err
	}
	program, err := c.tools.Program(toolchain.Containerd, "containerd")
	if err != nil {
		return err
	}
	daemon, err := c.startPrivate("containerd", program, "--config="+c.path("containerd", "config.toml"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return process.Wait(ctx, "containerd", func(ctx context.Context) error { return c.ctr(ctx, "version") }, daemon)
}

// startPrivate starts a daemon in the node's mount table.
func (c *Cluster) startPrivate(name, program string, args ...string) (daemon *process.Daemon, err error) {
	err = c.private.run(func() error {
		daemon, err = c.group.Start(name, program, args...)
		return err
	})
	return daemon, err
}

// importOwnImages makes and imports the images that need nothing from outside.
func (c *Cluster) importOwnImages(ctx context.Context) error {
	specs := []image.Spec{{Name: PauseImage, Entrypoint: []string{"/pause"}, Files: map[string]string{"/pause": c.path("bin", "pause")}}}
	if busybox, err := image.FindBusybox(); err == nil {
		specs = append(specs, image.Spec{Name: BusyboxImage, Busybox: busybox})
	} else {
		c.log("without image %s: %v", BusyboxImage, err)
	}
	for i, spec := range specs {
		archive := c.path("images", fmt.Sprintf("%d.tar", i))
		if err := image.WriteFile(archive, spec); err != nil {
			return err
		}
		if err := c.Import(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

// Import adds the images of archives to a running node.
func (c *Cluster) Import(ctx context.Context, archives ...string) error {
	for _, archive := range archives {
		if err := c.ctr(ctx, "images", "import", archive); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	args = append([]string{"--address", c.path("containerd", "containerd.sock"), "--namespace", "k8s.io"}, args...)
	if out, err := exec.CommandContext(ctx, c.state.Ctr, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %v: %w: %s", args[4:], err, out)
	}
	return nil
}
