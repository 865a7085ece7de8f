package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
)

func commands() []string {
	return []string{
		argv.CommandSnapshotCreate, argv.CommandSnapshotRestore, argv.CommandSnapshotVerify, argv.CommandSnapshotList,
		argv.CommandList, argv.CommandRepositoryCreate,
		argv.CommandPolicySet, argv.CommandPolicyImport, argv.CommandPolicyExport,
		argv.CommandMaintenanceSet, argv.CommandMaintenanceInfo, argv.CommandMaintenanceRun,
	}
}

// table asks for everything that goes into a flag table.
func (k *kopia) table(ctx context.Context, hiddenNames []string) (*argv.Table, error) {
	t := &argv.Table{Version: k.version, Commands: map[string][]argv.Flag{}}
	shown, err := k.visible(ctx, "")
	if err != nil {
		return nil, err
	}
	// Global flags are tried on a command that lacks its required arguments, so
	// that even a value that is accepted starts nothing.
	global := slices.Concat(shown, k.hidden(ctx, argv.CommandSnapshotRestore, k.globalOnly(ctx, hiddenNames)))
	for i, f := range global {
		global[i] = k.complete(ctx, argv.CommandSnapshotRestore, f)
	}
	t.Global = byName(global, nil)
	for _, command := range commands() {
		shown, err := k.visible(ctx, command)
		if err != nil {
			return nil, err
		}
		candidates := slices.DeleteFunc(slices.Clone(hiddenNames), func(name string) bool {
			return slices.ContainsFunc(t.Global, func(f argv.Flag) bool { return f.Name == name })
		})
		own := byName(slices.Concat(shown, k.hidden(ctx, command, candidates)), t.Global)
		for i, f := range own {
			own[i] = k.complete(ctx, command, f)
		}
		t.Commands[command] = own
	}
	t.Connection, err = k.connection(ctx, t.Global)
	return t, err
}

// globalOnly keeps the names that kopia accepts before any command.
func (k *kopia) globalOnly(ctx context.Context, names []string) []string {
	var global []string
	for _, f := range k.hidden(ctx, "", names) {
		global = append(global, f.Name)
	}
	return global
}

// connection returns the names of the flags of all connect commands.
func (k *kopia) connection(ctx context.Context, global []argv.Flag) ([]string, error) {
	var names []string
	for line := range strings.Lines(k.output(ctx, "--completion-bash", "repository", "connect", "")) {
		backend := strings.TrimSpace(line)
		if backend == "" || strings.HasPrefix(backend, "-") {
			continue
		}
		flags, err := k.visible(ctx, "repository connect "+backend)
		if err != nil {
			return nil, err
		}
		for _, f := range byName(flags, global) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no flag of any repository connect command")
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// names lists the algorithms that a kopia version knows, for the package that
// checks policies.
type names struct {
	Version     string   `json:"version"`
	Compressors []string `json:"compressors"`
	Splitters   []string `json:"splitters"`
	Hashes      []string `json:"hashes"`
	Encryptions []string `json:"encryptions"`
	ECCs        []string `json:"eccs"`
}

func namesOf(t *argv.Table) (names, error) {
	n := names{Version: t.Version}
	for _, e := range []struct {
		to            *[]string
		command, flag string
	}{
		{&n.Compressors, argv.CommandPolicySet, "compression"},
		{&n.Splitters, argv.CommandPolicySet, "splitter"},
		{&n.Hashes, argv.CommandRepositoryCreate, "block-hash"},
		{&n.Encryptions, argv.CommandRepositoryCreate, "encryption"},
		{&n.ECCs, argv.CommandRepositoryCreate, "ecc"},
	} {
		f, _ := t.Lookup(e.command, e.flag)
		// "inherit" is a word of the command line, not an algorithm.
		*e.to = slices.DeleteFunc(slices.Clone(f.Enum), func(s string) bool { return s == "inherit" || s == "" })
		if len(*e.to) == 0 {
			return n, fmt.Errorf("no value of %s --%s", e.command, e.flag)
		}
	}
	return n, nil
}
