package cmd

import (
	"regexp"
	"strings"

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

// takeKopiaVersion takes the version of a run on this machine from the kopia that
// will run, unless --kopia-version names one. It starts no process, because a plan
// starts none: a program that does not say its version in its file leaves the
// default, and is asked by the run itself.
func (p *planFlags) takeKopiaVersion(f *Factory) {
	if !p.local.local || f.command == nil || f.command.Flags().Changed("kopia-version") {
		return
	}
	program, err := kopiaexec.Find(p.local.kopia)
	if err != nil {
		return // it is told of once the manifests have been judged
	}
	if version, ok := kopiaexec.BuiltVersion(program); ok {
		p.kopiaVersion = version
	}
}

// sameKopia refuses a program that says in its file to be another version than
// --kopia-version: what was judged for the one would be run by the other.
func (f *Factory) sameKopia(program string) error {
	if f.command == nil || !f.command.Flags().Changed("kopia-version") {
		return nil
	}
	wanted := strings.TrimPrefix(f.flag("kopia-version"), "v")
	version, known := kopiaexec.BuiltVersion(program)
	if !known || release.Compare(version, wanted) == 0 {
		return nil
	}
	return fault.New(fault.Refused, "--kopia-version=%s, and %s, which would run, is kopia %s", wanted, program, version).
		WithHint("leave --kopia-version out, or name a kopia " + wanted + " with --kopia")
}
