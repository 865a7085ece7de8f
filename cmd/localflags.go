package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/local"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// localFlags are what every command that can run on this machine takes.
type localFlags struct {
	local         bool
	repositoryDir string
	stateDir      string
	kopia         string
}

func (l *localFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&l.local, "local", false, "run on this machine instead of in a cluster")
	flags.StringVar(&l.repositoryDir, "repository-dir", "",
		"with --local: a directory that stands in for the manifest's repository; it must exist")
	flags.StringVar(&l.stateDir, "state-dir", "",
		"with --local: where cache and history are kept (default: the user's state directory)")
	flags.StringVar(&l.kopia, "kopia", "kopia", "with --local: the kopia program, a path or a name on PATH")
}

// requireLocal refuses what only a later release does in a cluster.
func (l *localFlags) requireLocal(command string) error {
	if l.local {
		return nil
	}
	return fault.New(fault.Refused, "this build runs %s on this machine only", command).
		WithHint("add --local; this command does not run in a cluster yet")
}

// env resolves the flags to absolute paths for a run of the object. sourceDir may
// be empty for an operation that reads no source.
func (l *localFlags) env(f *Factory, d *spec.Document, runID, sourceDir string) (*plan.LocalEnv, error) {
	if err := errors.Join(checkSourceDir(sourceDir), l.checkRepository(d)); err != nil {
		return nil, err
	}
	kopia, err := kopiaexec.Find(l.kopia)
	if err != nil {
		return nil, fault.New(fault.Refused, "%w", err).
			WithHint("install kopia, or name it with --kopia; version says which versions are supported")
	}
	if err := f.sameKopia(kopia); err != nil {
		return nil, err
	}
	state, err := l.state(f)
	if err != nil {
		return nil, err
	}
	env := &plan.LocalEnv{KopiaPath: kopia, WorkDir: local.WorkDir(f.Getenv("XDG_RUNTIME_DIR"), runID)}
	for _, p := range []struct {
		to   *string
		from string
	}{{&env.SourceDir, sourceDir}, {&env.RepositoryDir, l.repositoryDir}, {&env.StateDir, state}} {
		if p.from == "" {
			continue
		}
		if *p.to, err = filepath.Abs(p.from); err != nil {
			return nil, fault.New(fault.Usage, "make %s absolute: %w", quote(p.from), err)
		}
	}
	return env, stateApart(env.StateDir, "the source", env.SourceDir)
}

// state is the state directory: the one that is named, or the user's.
func (l *localFlags) state(f *Factory) (string, error) {
	if l.stateDir != "" {
		return l.stateDir, nil
	}
	base, home := f.Getenv("XDG_STATE_HOME"), f.Getenv("HOME")
	if base == "" && home == "" {
		return "", fault.New(fault.Refused, "it is not known where the state of runs on this machine is kept: neither HOME nor XDG_STATE_HOME is set").
			WithHint("name a directory with --state-dir; each run must find what the one before it has kept there")
	}
	return local.DefaultStateDir(base, home), nil
}

// stateApart refuses a state directory in the directory that a run reads or writes,
// before anything is made there. dir may be empty.
func stateApart(state, what, dir string) error {
	if dir == "" || kopiaexec.Within(state, dir) != kopiaexec.Inside {
		return nil
	}
	return fault.New(fault.Refused, "the state directory (%s) lies in %s (%s)", state, what, dir).
		WithHint("name another directory with --state-dir")
}

// checkSourceDir refuses what cannot stand in for the volume.
func checkSourceDir(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	if err != nil {
		return fault.New(fault.Refused, "--source-dir %w", plainPath(path, err)).
			WithHint("name the directory that stands in for the volume, as --source-dir ./data")
	}
	return nil
}

// checkRepository refuses a repository that only a cluster can mount.
func (l *localFlags) checkRepository(d *spec.Document) error {
	claim, field := repositoryClaim(d)
	if l.repositoryDir != "" || claim == "" {
		return nil
	}
	return fault.New(fault.Refused, "the repository lies on claim %s (%s), which a run on this machine cannot mount", quote(claim), field).At(d.Object()).
		WithHint("add --repository-dir DIR, the directory that holds the repository, as --repository-dir ./repo")
}

// repositoryClaim is the claim that holds the repository, and the field that names it;
// empty: none does.
func repositoryClaim(d *spec.Document) (claim, field string) {
	var volumes []spec.MoverVolume
	at := "spec.moverVolumes"
	switch {
	case d.Maintenance != nil:
		volumes = d.Maintenance.Spec.MoverVolumes
	case d.Source != nil && d.Source.Spec.Kopia != nil:
		kopia := d.Source.Spec.Kopia
		if pvc := kopia.RepositoryPVC; pvc != nil && *pvc != "" {
			return *pvc, "spec.kopia.repositoryPVC"
		}
		volumes, at = kopia.MoverVolumes, "spec.kopia.moverVolumes"
	}
	for i, v := range volumes {
		if pvc := v.VolumeSource.PersistentVolumeClaim; pvc != nil {
			return pvc.ClaimName, fmt.Sprintf("%s[%d]", at, i)
		}
	}
	return "", ""
}
