package kopiaexec

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

var versionText = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)`)

// Version finds kopia's version, as "0.22.3". The binary's own build
// information tells it without a process; a binary without one, as a
// distribution's or a wrapper script, is asked, and its answer kept in the file
// memory for as long as the program does not change.
func (r *Runner) Version(ctx context.Context, memory string) (string, error) {
	if version, ok := BuiltVersion(r.Kopia); ok {
		return version, nil
	}
	program, err := identify(r.Kopia)
	if err != nil {
		return "", err
	}
	if version, ok := program.recall(memory); ok {
		return version, nil
	}
	version, err := r.askVersion(ctx)
	if err == nil {
		program.Version = version
		program.keep(memory)
	}
	return version, err
}

// BuiltVersion is the version that the program's build information tells, which
// starts no process.
func BuiltVersion(program string) (string, bool) {
	info, err := buildinfo.ReadFile(program)
	if err != nil || !strings.HasPrefix(info.Path, "github.com/kopia/kopia") {
		return "", false
	}
	if m := versionText.FindStringSubmatch(info.Main.Version); m != nil {
		return m[1], true
	}
	return "", false
}

func (r *Runner) askVersion(ctx context.Context) (string, error) {
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

// knownProgram is a program file as it was when it told its version.
type knownProgram struct {
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"modTime"`
	Version string    `json:"version,omitempty"`
}

func identify(path string) (knownProgram, error) {
	info, err := os.Stat(path)
	if err != nil {
		return knownProgram{}, fmt.Errorf("look at kopia: %w", err)
	}
	return knownProgram{Path: path, Size: info.Size(), ModTime: info.ModTime().UTC()}, nil
}

// recall returns the version that this very file told before.
func (p knownProgram) recall(memory string) (string, bool) {
	var kept knownProgram
	data, err := os.ReadFile(memory)
	if err != nil || json.Unmarshal(data, &kept) != nil {
		return "", false
	}
	same := kept.Path == p.Path && kept.Size == p.Size && kept.ModTime.Equal(p.ModTime)
	return kept.Version, same && versionText.MatchString(kept.Version)
}

// keep writes the program down. A memory that cannot be written costs a process
// in the next run, no more.
func (p knownProgram) keep(memory string) {
	if data, err := json.Marshal(p); err == nil {
		_ = writePrivate(memory, data)
	}
}
