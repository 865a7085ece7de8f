package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

// A flag that no kopia has. Given after a candidate it ends the run while the
// command line is parsed, so that probing never executes a command.
const noSuchFlag = "--volsync-kopia-no-such-flag"

// A value that no number, duration or enumeration accepts.
const noSuchValue = "volsync-kopia-no-such-value"

var (
	// One line of help: "  -p, --password=PASSWORD  ...", "--[no-]json", "--tags=TAGS ...".
	helpLine = regexp.MustCompile(`^ +(?:-(\S), )?--(\[no-\])?([a-z0-9][a-z0-9-]*)(=\S*)?( \.\.\.)?(?: |$)`)
	enumText = regexp.MustCompile(`enum value must be one of (\S+), got`)
)

// kopia is a program under examination, with a directory of its own as home
// and without any repository.
type kopia struct {
	program, version, home string
}

func newKopia(ctx context.Context, program string) (*kopia, error) {
	absolute, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "flagtables-")
	if err != nil {
		return nil, err
	}
	k := &kopia{program: absolute, home: home}
	words := strings.Fields(k.output(ctx, "--version"))
	if len(words) == 0 {
		k.close()
		return nil, errors.New("no version printed")
	}
	k.version = words[0]
	return k, nil
}

func (k *kopia) close() { _ = os.RemoveAll(k.home) }

// output runs the program and returns all that it printed. The exit status
// carries nothing here: most probes are meant to fail.
func (k *kopia) output(ctx context.Context, args ...string) string {
	cmd := exec.CommandContext(ctx, k.program, args...)
	cmd.Dir = k.home
	// COLUMNS keeps help on one line per flag.
	cmd.Env = []string{
		"HOME=" + k.home, "COLUMNS=100000", "KOPIA_CHECK_FOR_UPDATES=false",
		"KOPIA_CONFIG_PATH=" + filepath.Join(k.home, "none", "config"),
	}
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// command runs a command with further arguments.
func (k *kopia) command(ctx context.Context, command string, args ...string) string {
	return k.output(ctx, append(strings.Fields(command), args...)...)
}

// visible returns the flags that the help of a command shows, global ones
// among them. The kind of a flag with a value is still open.
func (k *kopia) visible(ctx context.Context, command string) ([]argv.Flag, error) {
	var flags []argv.Flag
	for line := range strings.Lines(k.command(ctx, command, "--help")) {
		m := helpLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		f := argv.Flag{Name: m[3], Short: m[1], Repeatable: m[5] != ""}
		if m[4] == "" {
			f.Kind = argv.KindBool
		}
		if (f.Kind == argv.KindBool) != (m[2] != "") {
			return nil, fmt.Errorf("%s --%s: every flag without a value should have a negation, and no other", command, f.Name)
		}
		flags = append(flags, f)
	}
	if len(flags) == 0 {
		return nil, fmt.Errorf("%s: no flag in the help", command)
	}
	return flags, nil
}

// hidden returns those of the names that the command accepts.
func (k *kopia) hidden(ctx context.Context, command string, names []string) []argv.Flag {
	var flags []argv.Flag
	for _, name := range names {
		text := k.command(ctx, command, "--"+name, noSuchFlag)
		switch {
		case strings.Contains(text, "unknown long flag '"+noSuchFlag+"'"):
			flags = append(flags, argv.Flag{Name: name, Kind: argv.KindBool, Hidden: true})
		case strings.Contains(text, "expected argument for flag '--"+name+"'"):
			flags = append(flags, argv.Flag{Name: name, Hidden: true})
		}
	}
	return flags
}

// complete finds out what values a flag takes, and whether a hidden one may be
// repeated. Without a repository the command fails before it does anything.
func (k *kopia) complete(ctx context.Context, command string, f argv.Flag) argv.Flag {
	if f.Kind == argv.KindBool {
		return f
	}
	text := k.command(ctx, command, "--"+f.Name+"="+noSuchValue)
	legal := "x"
	switch {
	case enumText.MatchString(text):
		f.Kind, f.Enum = argv.KindEnum, strings.Split(enumText.FindStringSubmatch(text)[1], ",")
		legal = f.Enum[0]
	case strings.Contains(text, "invalid duration"):
		f.Kind, legal = argv.KindDuration, "1s"
	case strings.Contains(text, "strconv.Parse"):
		f.Kind, legal = argv.KindNumber, "1"
	default:
		f.Kind = argv.KindString
	}
	if f.Hidden {
		twice := k.command(ctx, command, "--"+f.Name+"="+legal, "--"+f.Name+"="+legal)
		f.Repeatable = !strings.Contains(twice, "cannot be repeated")
	}
	return f
}

// byName sorts flags and drops those that are in the other list.
func byName(flags, without []argv.Flag) []argv.Flag {
	kept := slices.DeleteFunc(slices.Clone(flags), func(f argv.Flag) bool {
		return slices.ContainsFunc(without, func(g argv.Flag) bool { return g.Name == f.Name })
	})
	slices.SortFunc(kept, func(a, b argv.Flag) int { return strings.Compare(a.Name, b.Name) })
	return kept
}
