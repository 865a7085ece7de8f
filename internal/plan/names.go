package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// NameKind is the second part of an object's name: what the object is for.
type NameKind string

// The kinds of names.
const (
	NameSource      NameKind = "src"
	NameMaintenance NameKind = "maint"
	NameAsk         NameKind = "ask"
	NameProbe       NameKind = "probe"
	NameCache       NameKind = "cache"
	NameStatus      NameKind = "status"
	NameCron        NameKind = "cron"
)

// The longest names. Job names become a label value of their pods; a CronJob
// adds 11 characters to make a Job's name.
const (
	maxName     = 63
	maxCronName = 52
	hashLength  = 10
	// maxRun is the longest run part of a name.
	maxRun = 10
)

// Name returns the name of an object that belongs to obj:
// vk-<kind>-<name cut>-<10 hex of sha256(kind/namespace/name)>[-<run>].
//
// It is a valid name for every kind of object and a valid label value. The
// hash alone tells objects apart, so cutting loses nothing. A run's names
// differ from the source's own only by the run.
func Name(kind NameKind, obj result.ObjectRef, runID string) string {
	limit := maxName
	if kind == NameCron {
		limit = maxCronName
	}
	prefix := "vk-" + string(kind) + "-"
	suffix := identityHash(obj)
	if kind != NameCron {
		limit -= len("-") + maxRun
	}
	cut := dashed(obj.Name, limit-len(prefix)-len("-")-len(suffix))
	name := prefix + suffix
	if cut != "" {
		name = prefix + cut + "-" + suffix
	}
	if run := runSuffix(runID); run != "" {
		name += "-" + run
	}
	return name
}

// RunsOf is the kind of name that the runs of an object of the kind have.
func RunsOf(kind string) NameKind {
	if kind == spec.KindKopiaMaintenance {
		return NameMaintenance
	}
	return NameSource
}

// SourceLabel returns the value of the label that finds everything of an
// object: its name cut, and the hash of its full name.
func SourceLabel(obj result.ObjectRef) string {
	suffix := identityHash(obj)
	cut := dashed(obj.Name, maxName-len("-")-len(suffix))
	if cut == "" {
		return suffix
	}
	return cut + "-" + suffix
}

// LocalHistory returns the file that keeps an object's status and history on
// this machine; its directory is the object's own.
func LocalHistory(stateDir string, obj result.ObjectRef) string {
	return path.Join(stateDir, "objects", SourceLabel(obj), "history.json")
}

// identityHash is the part of a name that makes it unique.
func identityHash(obj result.ObjectRef) string {
	sum := sha256.Sum256([]byte(obj.Kind + "/" + obj.Namespace + "/" + obj.Name))
	return hex.EncodeToString(sum[:])[:hashLength]
}

// runSuffix is the last part of a run's id, the random one.
func runSuffix(runID string) string {
	return dashed(runID[strings.LastIndexByte(runID, '-')+1:], maxRun)
}

// dashed makes text a DNS label of at most limit characters; it may be empty.
func dashed(text string, limit int) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, text)
	mapped = strings.Trim(mapped, "-")
	if len(mapped) > limit {
		mapped = mapped[:limit]
	}
	return strings.Trim(mapped, "-")
}

// labelValue returns text if it is short enough for a label and a cut form
// otherwise; text is an object's name.
func labelValue(text string) string {
	if len(text) <= maxName {
		return text
	}
	return strings.TrimRight(text[:maxName], "-_.")
}
