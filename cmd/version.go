package cmd

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
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
			info := currentVersion()
			switch output {
			case "json":
				enc := json.NewEncoder(f.Streams.Out)
				enc.SetIndent("", "  ")
				return enc.Encode(info)
			case "":
				_, err := fmt.Fprintf(f.Streams.Out, "kubectl-volsync-kopia %s (%s, %s)\nkopia %s to %s, default %s\n",
					info.Version, info.GoVersion, info.Platform, info.Kopia.Minimum, info.Kopia.Maximum, info.Kopia.Default)
				if err != nil {
					return fmt.Errorf("print the version: %w", err)
				}
				return nil
			}
			return usageError(c, fault.New(fault.Usage, "-o %s: only json is known", quote(output)))
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "output format: json")
	return c
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
