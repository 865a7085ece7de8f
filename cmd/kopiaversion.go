package cmd

import (
	"context"
	"regexp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/release"
)

var versionNumber = regexp.MustCompile(`^v?\d+\.\d+\.\d+$`)

// checkKopiaVersion refuses what is no version, and one that is not supported.
func checkKopiaVersion(version string) error {
	tested := argv.Versions()
	least, most := tested[0], tested[len(tested)-1]
	if versionNumber.MatchString(version) && release.Compare(version, least) >= 0 && release.Compare(version, most) <= 0 {
		return nil
	}
	return fault.New(fault.Usage, "--kopia-version=%s is not a version from %s to %s", version, least, most).
		WithHint("kubectl volsync-kopia version names the supported versions")
}

// askKopiaVersion takes the version of a run on this machine from the kopia that
// will run, unless --kopia-version names one. That none is found is told later,
// when the manifests have been judged.
func (p *planFlags) askKopiaVersion(ctx context.Context, f *Factory) error {
	if !p.local.local || f.command == nil || f.command.Flags().Changed("kopia-version") {
		return nil
	}
	program, err := kopiaexec.Find(p.local.kopia)
	if err != nil {
		return nil //nolint:nilerr // the doc comment says where it is told
	}
	runner := &kopiaexec.Runner{Kopia: program, Env: []string{"PATH=" + f.Getenv("PATH")}}
	version, err := runner.Version(ctx, "")
	if err != nil {
		return fault.New(fault.Refused, "find kopia's version: %w", err).
			WithHint("install kopia, or name it with --kopia; version says which versions are supported")
	}
	p.kopiaVersion = version
	return nil
}
