package kopiaexec

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"regexp"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

var versionText = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)`)

// Version finds kopia's version, as "0.22.3". The binary's own build
// information tells it without a process; a binary without one, as a
// distribution's or a wrapper script, is asked.
func (r *Runner) Version(ctx context.Context) (string, error) {
	if info, err := buildinfo.ReadFile(r.Kopia); err == nil && strings.HasPrefix(info.Path, "github.com/kopia/kopia") {
		if m := versionText.FindStringSubmatch(info.Main.Version); m != nil {
			return m[1], nil
		}
	}
	out, err := r.Run(ctx, Call{Command: argv.Command{Args: []string{"--version"}}})
	if err != nil {
		return "", err
	}
	// kopia prints its version to standard output, or to standard error
	// when it was built without a version.
	text := string(out.Stdout) + strings.Join(out.Log, "\n")
	if m := versionText.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		return m[1], nil
	}
	return "", fmt.Errorf("%s --version printed no version", r.Kopia)
}
