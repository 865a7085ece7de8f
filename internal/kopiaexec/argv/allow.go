package argv

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// reservedTag starts the keys of the tags that this product sets itself: the
// run's id is how a lost Result is found again.
const reservedTag = "volsync-kopia"

// Kopia refuses a longer interval between checkpoints.
const maxCheckpointInterval = 45 * time.Minute

// allowance is what is known about a flag that may be passed on.
type allowance struct {
	// check judges a value beyond its kind; nil takes any.
	check func(value string) error
	// caution, when given, is a warning about what the flag does to a run.
	caution string
}

// allowances returns the flags that a user may pass to kopia. All other flags are
// refused, including those of future kopia versions. The flag must also be in the
// table of the kopia version in use.
func allowances(op result.Operation) map[string]allowance {
	list := map[string]allowance{
		"progress":                 {},
		"progress-update-interval": {check: positiveDuration(time.Hour)},
		"parallel":                 {check: wholeNumber(1024)},
	}
	own := backupAllowances
	if op == result.OperationRestore {
		own = restoreAllowances
	}
	for name, a := range own() {
		list[name] = a
	}
	return list
}

func backupAllowances() map[string]allowance {
	return map[string]allowance{
		"adaptive-estimation-threshold": {check: wholeNumber(1 << 40)},
		"checkpoint-interval":           {check: positiveDuration(maxCheckpointInterval)},
		"description":                   {},
		"fail-fast":                     {},
		"flush-per-source":              {},
		"force-disable-actions":         {},
		"force-hash":                    {check: percentage},
		"log-dir-detail":                {check: wholeNumber(10)},
		"log-entry-detail":              {check: wholeNumber(10)},
		"pin":                           {caution: "a pinned snapshot is never removed by retention, so every run leaves one for good"},
		"progress-estimation-type":      {},
		"send-snapshot-report":          {},
		"tags":                          {check: tag},
		"upload-limit-mb": {
			check:   wholeNumber(1 << 40),
			caution: "kopia stops after so many megabytes and the snapshot is incomplete; a speed limit is --upload-speed",
		},
	}
}

func restoreAllowances() map[string]allowance {
	return map[string]allowance{
		"consistent-attributes":    {},
		"flush-files":              {},
		"ignore-errors":            {caution: "files that cannot be restored no longer fail the restore"},
		"ignore-permission-errors": {},
		"overwrite-directories":    {},
		"overwrite-files":          {},
		"overwrite-symlinks":       {},
		"shallow":                  {check: wholeNumber(1 << 30), caution: "below that depth only placeholders are written, which need kopia to be filled"},
		"shallow-minsize":          {check: wholeNumber(1 << 30)},
		"skip-existing":            {},
		"skip-owners":              {},
		"skip-permissions":         {},
		"skip-times":               {},
		"write-files-atomically":   {},
		"write-sparse-files":       {},
	}
}

// checkValue judges a value by the kind of its flag.
func checkValue(f Flag, value string) error {
	switch f.Kind {
	case KindNumber:
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
	case KindDuration:
		if _, err := time.ParseDuration(value); err != nil {
			return fmt.Errorf(`%q is not a duration such as "30s" or "5m"`, value)
		}
	case KindEnum:
		return oneOf(value, f.Enum)
	case KindBool, KindString:
		// Any text will do; a switch takes no value at all.
	}
	return nil
}

func wholeNumber(highest int64) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || n > highest {
			return fmt.Errorf("%q is not a whole number from 0 to %d", value, highest)
		}
		return nil
	}
}

func percentage(value string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return fmt.Errorf("%q is not a number from 0 to 100", value)
	}
	return nil
}

func positiveDuration(longest time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 || d > longest {
			return fmt.Errorf("%q is not a duration above zero and up to %s", value, longest)
		}
		return nil
	}
}

func tag(value string) error {
	key, _, found := strings.Cut(value, ":")
	switch {
	case !found:
		return fmt.Errorf("%q is not a tag of the form key:value", value)
	case key == "":
		return errors.New("a tag needs a key before the colon")
	}
	return nil
}

// oneOf judges a value that must be one of a list, and names the nearest, or all.
func oneOf(value string, legal []string) error {
	if slices.Contains(legal, value) {
		return nil
	}
	near := problem.Nearest(value, legal)
	if near == "" {
		return fmt.Errorf("%q is not a value that kopia knows; it has %s", value, strings.Join(legal, ", "))
	}
	return fmt.Errorf("%q is not a value that kopia knows; the nearest is %q", value, near)
}
