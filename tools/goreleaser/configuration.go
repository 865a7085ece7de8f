// Package goreleaser reads the part of .goreleaser.yaml that the tools of this
// repository rely on: dist builds by it, krew compares the plugin's manifest with it.
package goreleaser

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// Configuration says what a release holds. The fields are those of
// https://goreleaser.com/customization/.
type Configuration struct {
	Project string `json:"project_name"`
	Builds  []struct {
		Main    string   `json:"main"`
		Binary  string   `json:"binary"`
		Env     []string `json:"env"`
		Flags   []string `json:"flags"`
		LDFlags []string `json:"ldflags"`
		// Targets are platforms, each as "OS_ARCH".
		Targets []string `json:"targets"`
	} `json:"builds"`
	Archives []struct {
		Formats []string `json:"formats"`
		Name    string   `json:"name_template"`
		Files   []string `json:"files"`
	} `json:"archives"`
	Checksum struct {
		Name      string `json:"name_template"`
		Algorithm string `json:"algorithm"`
	} `json:"checksum"`
}

// Parse reads the text of .goreleaser.yaml; other fields are left to goreleaser.
func Parse(text []byte) (Configuration, error) {
	var c Configuration
	if err := yaml.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf(".goreleaser.yaml: %w", err)
	}
	return c, nil
}
