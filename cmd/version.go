package cmd

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// versionInfo is what version -o json prints.
type versionInfo struct {
	Version    string       `json:"version"`
	GoVersion  string       `json:"goVersion"`
	Platform   string       `json:"platform"`
	MoverImage string       `json:"moverImage,omitempty"`
	Kopia      kopiaSupport `json:"kopia"`
}

// kopiaSupport names the kopia versions that the flag tables were made from.
type kopiaSupport struct {
	Minimum string   `json:"minimum"`
	Maximum string   `json:"maximum"`
	Default string   `json:"default"`
	Tested  []string `json:"tested"`
}

// NewVersionCommand returns the version command.
func NewVersionCommand(f *Factory) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version and the supported kopia versions",
		Example: `  # Machine readable, with the range of kopia versions
  kubectl volsync-kopia version -o json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf("output", output, append(versionFormats(), "")...); err != nil {
				return usageError(c, err)
			}
			if err := currentVersion().write(f.Streams.Out, output); err != nil {
				return fmt.Errorf("print the version: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "output format: "+strings.Join(versionFormats(), ", "))
	return c
}

// versionFormats are the values of -o; the version is no document of a run, and has
// neither name nor kind.
func versionFormats() []string { return []string{outputTable, outputWide, "json", "yaml"} }

func (v versionInfo) write(w io.Writer, output string) error {
	switch output {
	case "json":
		return writeJSON(w, v)
	case "yaml":
		text, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	_, err := fmt.Fprintf(w, "kubectl-volsync-kopia %s (%s, %s)\nkopia %s to %s, default %s\n",
		v.Version, v.GoVersion, v.Platform, v.Kopia.Minimum, v.Kopia.Maximum, v.Kopia.Default)
	return err
}

func currentVersion() versionInfo {
	tested := argv.Versions()
	return versionInfo{
		Version:    version.Version,
		GoVersion:  runtime.Version(),
		Platform:   runtime.GOOS + "/" + runtime.GOARCH,
		MoverImage: version.MoverImage,
		Kopia: kopiaSupport{
			Minimum: tested[0], Maximum: tested[len(tested)-1], Default: argv.DefaultVersion, Tested: tested,
		},
	}
}
