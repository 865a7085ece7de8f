package cmd

import (
	"strconv"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

func TestMoverImageIsAReference(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for image, why := range map[string]string{
		"": "", "x": "", "registry.example/mover:1": "", "registry.example:5000/a/b__c/mover:v1.2_3-x" + digest: "",
		"localhost/mover": "", "REGISTRY/mover": "", "[::1]:5000/mover": "", "mover" + digest: "",
		"bad image": "invalid reference format", "x:y:z": "invalid reference format", "x/y:": "invalid reference format",
		"-x": "invalid reference format", "registry.example/Mover": "must be lowercase", "x@sha256:12": "invalid reference format",
		"x" + digest[:len(digest)-1]: "invalid checksum digest length",
		" x":                         "invalid reference format", "x\n": "invalid reference format", "https://registry.example/mover": "invalid reference format",
		"registry.example/" + strings.Repeat("a", 256): "255", strings.TrimPrefix(digest, "@sha256:"): "64-byte",
	} {
		err := checkImage("--mover-image", image)
		if why == "" {
			if err != nil {
				t.Errorf("%q: %v", image, err)
			}
			continue
		}
		if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "--mover-image="+strconv.Quote(image)) {
			t.Errorf("%q: %v, want %q", image, err, why)
		}
	}
}
