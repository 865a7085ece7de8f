package argv

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

var fixedSplitter = regexp.MustCompile(`^FIXED-([0-9]+)([KM])$`)

// effect is what a translated argument does instead of reaching kopia.
type effect struct {
	applied string
	// policy is kopia's own policy JSON, nil for a speed limit.
	policy           map[string]any
	upload, download int64
	// rechunks: files are cut at new places, so nothing matches what is stored.
	rechunks bool
}

// translation describes a flag that the command itself does not have, and the
// setting that is changed instead.
type translation struct {
	name string
	// flagOnly translations take no value or a truth value, and have a negation.
	flagOnly bool
	// target is what is set: only a list may be set twice.
	target string
	list   bool
	read   func(t *Table, value string) (effect, error)
}

func findTranslation(op result.Operation, name string) (translation, bool) {
	for _, t := range translations(op) {
		if t.name == name {
			return t, true
		}
	}
	return translation{}, false
}

// translations returns the flags of the documentation page that kopia's
// snapshot commands never had, and those of "kopia policy set" with the same
// meaning.
func translations(op result.Operation) []translation {
	list := []translation{
		speedLimit("upload-speed", "upload"), speedLimit("max-upload-speed", "upload"), speedLimit("upload-bytes-per-second", "upload"),
		speedLimit("download-speed", "download"), speedLimit("max-download-speed", "download"), speedLimit("download-bytes-per-second", "download"),
	}
	if op == result.OperationRestore {
		return list
	}
	return append(list,
		switchPolicy("one-file-system", "files", "oneFileSystem"),
		switchPolicy("ignore-cache-dirs", "files", "ignoreCacheDirs"),
		switchPolicy("ignore-file-errors", "errorHandling", "ignoreFileErrors"),
		switchPolicy("ignore-dir-errors", "errorHandling", "ignoreDirectoryErrors"),
		switchPolicy("ignore-unknown-types", "errorHandling", "ignoreUnknownTypes"),
		listPolicy("ignore", "ignore"), listPolicy("add-ignore", "ignore"), listPolicy("add-dot-ignore", "ignoreDotFiles"),
		translation{name: "max-file-size", target: "files.maxFileSize", read: maxFileSize},
		translation{name: "compression", target: "compression.compressorName", read: compression},
		translation{name: "splitter", target: "splitter.algorithm", read: splitter},
		translation{name: "block-size", target: "splitter.algorithm", read: blockSize},
	)
}

func switchPolicy(name, section, key string) translation {
	target := section + "." + key
	return translation{name: name, flagOnly: true, target: target, read: func(_ *Table, value string) (effect, error) {
		on := value == "true"
		return effect{applied: target + "=" + strconv.FormatBool(on), policy: policyWith(section, key, on)}, nil
	}}
}

func listPolicy(name, key string) translation {
	return translation{name: name, target: "files." + key, list: true, read: func(_ *Table, value string) (effect, error) {
		if value == "" {
			return effect{}, errors.New("a pattern is missing")
		}
		return effect{applied: fmt.Sprintf("files.%s += %q", key, value), policy: policyWith("files", key, []string{value})}, nil
	}}
}

func speedLimit(name, direction string) translation {
	return translation{name: name, target: direction + " limit", read: func(_ *Table, value string) (effect, error) {
		n, err := byteCount(value)
		if err != nil {
			return effect{}, err
		}
		e := effect{applied: fmt.Sprintf("%s limit %d bytes/s", direction, n), upload: n}
		if direction == "download" {
			e.upload, e.download = 0, n
		}
		return e, nil
	}}
}

func maxFileSize(_ *Table, value string) (effect, error) {
	n, err := byteCount(value)
	return effect{applied: fmt.Sprintf("files.maxFileSize=%d", n), policy: policyWith("files", "maxFileSize", n)}, err
}

func compression(t *Table, value string) (effect, error) {
	if value == "s2" {
		value = "s2-default"
	}
	f, _ := t.Lookup(CommandPolicySet, "compression")
	if err := oneOf(value, f.Enum); err != nil || value == "inherit" {
		return effect{}, errors.Join(err, inherited(value))
	}
	return effect{applied: "compression.compressorName=" + value, policy: policyWith("compression", "compressorName", value)}, nil
}

func splitter(t *Table, value string) (effect, error) {
	f, _ := t.Lookup(CommandPolicySet, "splitter")
	if err := oneOf(value, f.Enum); err != nil || value == "inherit" {
		return effect{}, errors.Join(err, inherited(value))
	}
	return effect{applied: "splitter.algorithm=" + value, policy: policyWith("splitter", "algorithm", value), rechunks: true}, nil
}

func inherited(value string) error {
	if value != "inherit" {
		return nil
	}
	return errors.New(`"inherit" is what leaving the argument out means`)
}

// blockSize chooses the splitter that cuts files into blocks of the size. Both
// readings of a unit are taken: 4MB and 4MiB are FIXED-4M.
func blockSize(t *Table, value string) (effect, error) {
	size, err := byteCount(value)
	if err != nil {
		return effect{}, err
	}
	f, _ := t.Lookup(CommandPolicySet, "splitter")
	nearest, nearestGap := "", int64(math.MaxInt64)
	for _, name := range f.Enum {
		m := fixedSplitter.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		number, _ := strconv.ParseInt(m[1], 10, 32)
		decimal, binary := number*1000, number<<10
		if m[2] == "M" {
			decimal, binary = number*1000*1000, number<<20
		}
		if size == decimal || size == binary {
			return splitter(t, name)
		}
		if gap := max(size-binary, binary-size); gap < nearestGap {
			nearest, nearestGap = m[1]+m[2]+"B", gap
		}
	}
	return effect{}, fmt.Errorf("kopia has no splitter for blocks of %s; the nearest is %s", value, nearest)
}

// byteCount reads a size: MB is 10^6 bytes, MiB 2^20, a bare number is bytes.
func byteCount(value string) (int64, error) {
	n, err := humanize.ParseBytes(value)
	switch {
	case err != nil:
		return 0, fmt.Errorf(`%q is not a size such as "10MB" (10,000,000 bytes) or "8MiB"`, value)
	case n == 0:
		return 0, fmt.Errorf("%q is no size: at least one byte is needed", value)
	case n > math.MaxInt64:
		return 0, fmt.Errorf("%q is too large", value)
	}
	return int64(n), nil
}

func policyWith(section, key string, value any) map[string]any {
	return map[string]any{section: map[string]any{key: value}}
}
