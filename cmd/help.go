package cmd

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// helpWidth is where the lines of the help are broken.
const helpWidth = 120

// manyFlags is from how many flags on they are listed in groups.
const manyFlags = 16

// flagGroup is a headed part of a command's flags.
type flagGroup struct {
	title string
	names []string
}

// flagGroups are the parts, in the order of the help. Flags that are in none are
// listed first.
func flagGroups() []flagGroup {
	return []flagGroup{
		{"Input flags", []string{"filename", "kustomize", "recursive", "envsubst", "from", "policy-errors", "use"}},
		{"Output flags", []string{"output", "progress", "report-junit", "report-markdown", "report-sarif", "report-gitlab"}},
		{"Flags for waits", []string{
			"timeout", "triggered-timeout", "ready-timeout", "bound-timeout", "scheduled-timeout", "started-timeout", "idle-timeout",
			"cancel-grace", "removed-timeout",
		}},
		{"Flags for hooks and actions", []string{
			"exec-in", "exec-before", "exec-after", "exec-timeout", "actions-on-live-volume", "allow-policy-actions",
		}},
		{"Flags for a run on this machine", []string{
			"local", "source-dir", "target-dir", "overwrite", "repository-dir", "state-dir", "kopia", "run-actions",
		}},
	}
}

// writeUsage prints how a command is used, as cobra does, but with many flags in
// groups, and kubectl's own flags on the root command only.
func writeUsage(c *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if c.Runnable() {
		b.WriteString("  " + c.UseLine() + "\n")
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("  " + c.CommandPath() + " [command]\n")
	}
	if c.HasExample() {
		b.WriteString("\nExamples:\n" + c.Example + "\n")
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, below := range c.Commands() {
			if below.IsAvailableCommand() || below.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s %s\n", below.NamePadding(), below.Name(), below.Short)
			}
		}
	}
	for _, group := range grouped(c.LocalFlags()) {
		fmt.Fprintf(&b, "\n%s:\n%s", group.title, group.flags.FlagUsagesWrapped(helpWidth))
	}
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\nkubectl's connection flags, as -n, --context and --kubeconfig, are listed by: %s --help\n", c.Root().CommandPath())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nMore about a command: %s [command] --help\n", c.CommandPath())
	}
	_, err := io.WriteString(c.OutOrStderr(), b.String())
	return err
}

// listedFlags are the flags of one group that a command has.
type listedFlags struct {
	title string
	flags *pflag.FlagSet
}

// grouped returns the flags in their groups: those without one first, and few
// flags in one list.
func grouped(all *pflag.FlagSet) []listedFlags {
	list := func(title string, belongs func(*pflag.Flag) bool) listedFlags {
		set := pflag.NewFlagSet(title, pflag.ContinueOnError)
		all.VisitAll(func(f *pflag.Flag) {
			if belongs(f) {
				set.AddFlag(f)
			}
		})
		return listedFlags{title, set}
	}
	count := 0
	all.VisitAll(func(*pflag.Flag) { count++ })
	if count < manyFlags {
		return nonEmpty(list("Flags", func(*pflag.Flag) bool { return true }))
	}
	var named []string
	groups := []listedFlags{{}}
	for _, g := range flagGroups() {
		groups = append(groups, list(g.title, func(f *pflag.Flag) bool { return slices.Contains(g.names, f.Name) }))
		named = append(named, g.names...)
	}
	groups[0] = list("Flags", func(f *pflag.Flag) bool { return !slices.Contains(named, f.Name) })
	return nonEmpty(groups...)
}

// nonEmpty leaves out the groups that have nothing to list.
func nonEmpty(groups ...listedFlags) []listedFlags {
	return slices.DeleteFunc(groups, func(l listedFlags) bool { return !l.flags.HasAvailableFlags() })
}

// exitCodes is the paragraph of a command's help that says how it can end.
func exitCodes(codes ...fault.ExitCode) string {
	words := map[fault.ExitCode]string{
		fault.OK: "done", 1: "failed", 2: "command line wrong", 3: "manifest invalid", 4: "incomplete", 5: "refused", 6: "timed out",
		7: "repository", 8: "done but something is left", 9: "a difference", 130: "cancelled by SIGINT", 143: "cancelled by SIGTERM or SIGHUP",
	}
	text := "Exit codes:"
	line := len(text)
	for i, code := range codes {
		word := " " + strconv.Itoa(int(code)) + " " + words[code]
		if i < len(codes)-1 {
			word += ","
		}
		if line+len(word) > helpParagraph {
			text, line, word = text+"\n", 0, word[1:]
		}
		text, line = text+word, line+len(word)
	}
	return "\n\n" + text + ".\nEach is explained in docs/reference/exit-codes.md."
}

// helpParagraph is the width of the running text of the help.
const helpParagraph = 100
