package cmd

import (
	"cmp"

	"github.com/distribution/reference"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// moverImageVariable names the mover's image where --mover-image does not.
const moverImageVariable = "VOLSYNC_KOPIA_MOVER_IMAGE"

// image is the image of the mover.
func (p *planFlags) image(f *Factory) string {
	return cmp.Or(p.moverImage, f.Getenv(moverImageVariable), version.MoverImage)
}

// checkMoverImage refuses an image that the kubelet could not pull for its name: the API
// server takes any text, and the mover would never start.
func (p *planFlags) checkMoverImage(f *Factory) error {
	switch {
	case p.local.local:
		return nil
	case p.moverImage != "":
		return checkImage("--mover-image", p.moverImage)
	}
	return checkImage(moverImageVariable, f.Getenv(moverImageVariable))
}

// checkImage refuses what is not empty and no image reference; from says where it was given.
func checkImage(from, image string) error {
	if image == "" {
		return nil
	}
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return fault.New(fault.Usage, "%s=%q is not an image reference: %w", from, image, err).
			WithHint("write it as [HOST[:PORT]/]NAME[:TAG][@DIGEST], the name in lower case, as registry.example/mover:1.2.3; " +
				"a digest is sha256: and 64 hexadecimal digits")
	}
	return nil
}
