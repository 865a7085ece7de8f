package cmd

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// refuseEmptyValues refuses a flag that was given and left empty, as a variable that
// a script forgot to set leaves it. Without it the run would go on by the default: the
// newest snapshot, the real repository, a database that no hook freezes, no report for
// the step that reads it. kubectl's own flags are left alone: there an empty one, as
// -n "", means that none is given, and scripts rely on it.
func refuseEmptyValues(c *cobra.Command) error {
	kubectls := c.Root().PersistentFlags()
	var errs []error
	c.Flags().Visit(func(f *pflag.Flag) {
		if kubectls.Lookup(f.Name) == nil && hasEmptyValue(f.Value) {
			errs = append(errs, fault.New(fault.Usage, "--%s is empty", f.Name).
				WithHint("give it a value or leave it out; a variable that is not set is the usual cause"))
		}
	})
	return errors.Join(errs...)
}

// hasEmptyValue reports whether the text, or one of several, is empty.
func hasEmptyValue(v pflag.Value) bool {
	if several, ok := v.(pflag.SliceValue); ok {
		return slices.Contains(several.GetSlice(), "")
	}
	return v.Type() == "string" && v.String() == ""
}
