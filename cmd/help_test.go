package cmd

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// every calls do for the command and all below it.
func every(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, below := range c.Commands() {
		every(below, do)
	}
}

func testRoot() *cobra.Command {
	return NewRootCommand(NewFactory(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard}))
}

func TestTheHelpListsEachFlagOnce(t *testing.T) {
	t.Parallel()
	every(testRoot(), func(c *cobra.Command) {
		usage := c.UsageString()
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if got := strings.Count(usage, " --"+f.Name+" "); !f.Hidden && got < 1 {
				t.Errorf("%s: --%s is not in the help", c.CommandPath(), f.Name)
			}
		})
		listed := map[string]int{}
		for _, group := range grouped(c.LocalFlags()) {
			group.flags.VisitAll(func(f *pflag.Flag) { listed[f.Name]++ })
		}
		for name, n := range listed {
			if n != 1 {
				t.Errorf("%s: --%s is listed %d times", c.CommandPath(), name, n)
			}
		}
	})
}

func TestEveryGroupedFlagExists(t *testing.T) {
	t.Parallel()
	exists := map[string]bool{}
	every(testRoot(), func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { exists[f.Name] = true })
	})
	for _, group := range flagGroups() {
		for _, name := range group.names {
			if !exists[name] {
				t.Errorf("%s: no command has --%s", group.title, name)
			}
		}
	}
}
