package kopiaexec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

var (
	progressLine = regexp.MustCompile(`^ ?[|/\\*-] \d+ hashing, (\d+) hashed \(([^)]*)\), (\d+) cached \(([^)]*)\), uploaded ([0-9.]+ [KMGTPE]?B)` +
		`(?: \(\d+ fatal errors\))?(?: \(\d+ errors ignored\))?(?:, estimating\.\.\.|, estimated [0-9.]+ [KMGTPE]?B \([0-9.]+%\) [0-9hmsµn.]+ left)? *`)
	fatalErrors = regexp.MustCompile(`\((\d+) fatal errors\)`)
	estimate    = regexp.MustCompile(`, estimated ([0-9.]+ [A-Za-z]+) \([0-9.]+%\) (\S+) left`)
	restoreLine = regexp.MustCompile(`^Processed (\d+) \(([^)]*)\) of \d+ \(([^)]*)\)` +
		`(?:, skipped \d+ \([^)]*\))?(?:, ignored \d+ errors)?(?: [0-9.]+ [KMGTPE]?B/s \([0-9.]+%\) remaining [0-9hms]+)?\. *`)
)

// parseProgress reads one of kopia's progress lines. Sizes are as exact as
// kopia prints them: one decimal of a decimal unit. An error that ends kopia
// follows its last progress without a line break; it is returned as rest.
func parseProgress(line string) (p result.Progress, rest string, ok bool) {
	if m := restoreLine.FindStringSubmatch(line); m != nil {
		return result.Progress{HashedFiles: number(m[1]), HashedBytes: parseSize(m[2]), EstimatedBytes: parseSize(m[3])}, line[len(m[0]):], true
	}
	m := progressLine.FindStringSubmatch(line)
	if m == nil {
		return result.Progress{}, "", false
	}
	line, rest = m[0], line[len(m[0]):]
	p = result.Progress{
		HashedFiles: number(m[1]), HashedBytes: parseSize(m[2]),
		CachedFiles: number(m[3]), CachedBytes: parseSize(m[4]),
		UploadedBytes: parseSize(m[5]),
	}
	if e := fatalErrors.FindStringSubmatch(line); e != nil {
		p.Errors = number(e[1])
	}
	if e := estimate.FindStringSubmatch(line); e != nil {
		p.EstimatedBytes = parseSize(e[1])
		if left, err := time.ParseDuration(e[2]); err == nil {
			p.EstimatedSeconds = int64(left.Seconds())
		}
	}
	return p, rest, true
}

// advance merges a newer progress into an older one so that no count goes
// back; estimates may.
func advance(old, now result.Progress) result.Progress {
	return result.Progress{
		HashedFiles: max(old.HashedFiles, now.HashedFiles), HashedBytes: max(old.HashedBytes, now.HashedBytes),
		CachedFiles: max(old.CachedFiles, now.CachedFiles), CachedBytes: max(old.CachedBytes, now.CachedBytes),
		UploadedBytes: max(old.UploadedBytes, now.UploadedBytes), Errors: max(old.Errors, now.Errors),
		EstimatedBytes: now.EstimatedBytes, EstimatedSeconds: now.EstimatedSeconds,
	}
}

// parseSize reads "30.1 MB"; kopia's units are powers of 1000.
func parseSize(text string) int64 {
	amount, unit, _ := strings.Cut(text, " ")
	f, err := strconv.ParseFloat(amount, 64)
	if err != nil || f < 0 {
		return 0
	}
	for _, prefix := range []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"} {
		if unit == prefix {
			if f >= 1<<63 {
				return 0
			}
			return int64(f)
		}
		f *= 1000
	}
	return 0
}

var restoredLine = regexp.MustCompile(`^Restored (\d+) files, (\d+) directories and (\d+) symbolic links`)

// Restored reads kopia's last word about a restore; false: it did not say it.
func Restored(log []string) (result.RestoreReport, bool) {
	for _, line := range slices.Backward(log) {
		if m := restoredLine.FindStringSubmatch(line); m != nil {
			return result.RestoreReport{Files: number(m[1]), Dirs: number(m[2]), Symlinks: number(m[3])}, true
		}
	}
	return result.RestoreReport{}, false
}

// number reads digits that a pattern has matched; too many of them give 0.
func number(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
