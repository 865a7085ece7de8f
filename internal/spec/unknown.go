package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unknown reports a field that its struct does not have. The most telling
// explanation wins: another mover, a removed field, a field of another place or
// kind, a misspelling.
func (d *decoder) unknown(key *yaml.Node, t reflect.Type, at *trail) {
	name, path := key.Value, at.String()
	here := at.field(name)
	if at == nil && name == "status" {
		return
	}
	if t == reflect.TypeFor[Metadata]() {
		d.unknownMetadata(key, here)
		return
	}
	if path == "spec" && slices.Contains(otherMovers(), name) {
		d.report(key, here, finding{
			code:    codeOtherMover,
			message: fmt.Sprintf("%q is another mover: this tool runs kopia only", name),
			fix:     "describe the backup under spec.kopia, or leave this object to a VolSync operator",
		})
		return
	}
	if r, ok := removalOf(d.kind, path, name); ok {
		d.report(key, here, finding{code: codeRemoved, message: r.message, fix: r.fix})
		return
	}
	if f, ok := d.misplaced(t, path, name); ok {
		d.report(key, here, f)
		return
	}
	d.report(key, here, unknownField(name, d.nearby(t, name)))
}

func otherMovers() []string {
	return []string{"restic", "rclone", "rsync", "rsyncTLS", "syncthing", "external"}
}

func unknownField(name, near string) finding {
	f := finding{
		code:    codeUnknownField,
		message: "unknown field " + quoted(name),
		fix:     "remove it",
	}
	if near != "" {
		f.message += fmt.Sprintf("; did you mean %q?", near)
		f.fix = fmt.Sprintf("rename it to %q", near)
	}
	return f
}

// unknownMetadata keeps silent about the many fields that the API server fills
// in, but not about a misspelt namespace.
func (d *decoder) unknownMetadata(key *yaml.Node, at *trail) {
	if _, genuine := d.schema.of(reflect.TypeFor[metav1.ObjectMeta]()).fields[key.Value]; genuine {
		return
	}
	if near := nearest(key.Value, d.schema.of(reflect.TypeFor[Metadata]()).names); near != "" {
		d.report(key, at, unknownField(key.Value, near))
	}
}

// misplaced looks the name up elsewhere in the document's kind, then in the
// other kinds.
func (d *decoder) misplaced(t reflect.Type, path, name string) (finding, bool) {
	if t.PkgPath() != reflect.TypeFor[Metadata]().PkgPath() {
		return finding{}, false
	}
	if d.kind == KindKopiaMaintenance && path == "spec" && name == "kopia" {
		return finding{
			code:    codeMisplaced,
			message: "a KopiaMaintenance has no spec.kopia: its fields stand directly under spec",
			fix:     "move the fields of spec.kopia one level up; the Secret's name goes to spec.repository.repository",
		}, true
	}
	var others []string
	for _, k := range kinds() {
		places := d.schema.placesOf(k)[name]
		switch {
		case len(places) == 0:
		case k.name == d.kind:
			return finding{
				code:    codeMisplaced,
				message: fmt.Sprintf("%q does not belong here but in %s", name, oneOf(places)),
				fix:     "move it to " + oneOf(places),
			}, true
		default:
			others = append(others, fmt.Sprintf("a %s (%s)", k.name, oneOf(places)))
		}
	}
	if len(others) == 0 || d.synonym(t, name) != "" {
		return finding{}, false
	}
	return finding{
		code:    codeMisplaced,
		message: fmt.Sprintf("%q is a field of %s, not of a %s", name, strings.Join(others, " and "), d.kind),
		fix:     otherKindFix(d.kind, name),
	}, true
}

func otherKindFix(kind, name string) string {
	if kind != KindReplicationSource && name == "repositoryPVC" {
		return "remove it; mount the repository's claim with moverVolumes"
	}
	return "remove it here"
}

const placesShown = 3

func oneOf(places []string) string {
	shown := places[:min(len(places), placesShown)]
	return strings.Join(shown, " or ")
}

// nearby returns the field of t that name may have meant, or "".
func (d *decoder) nearby(t reflect.Type, name string) string {
	if other := d.synonym(t, name); other != "" {
		return other
	}
	return nearest(name, d.schema.of(t).names)
}

func (d *decoder) synonym(t reflect.Type, name string) string {
	for _, other := range synonyms()[name] {
		if _, has := d.schema.of(t).fields[other]; has {
			return other
		}
	}
	return ""
}

// synonyms are words that other kinds and tools use for a field.
func synonyms() map[string][]string {
	return map[string][]string{
		"keepLatest": {"latest"}, "keepHourly": {"hourly"}, "keepDaily": {"daily"}, "keepWeekly": {"weekly"},
		"keepMonthly": {"monthly"}, "keepYearly": {"yearly"}, "keepAnnual": {"yearly"}, "annual": {"yearly"},
		"last": {"latest"}, "cron": {"schedule"}, "pvc": {"sourcePVC", "destinationPVC"},
		"extraArgs": {"additionalArgs"}, "args": {"additionalArgs"}, "repositorySecret": {"repository"},
		"storageClass": {"storageClassName"}, "snapshotClassName": {"volumeSnapshotClassName"},
		"resources": {"moverResources"}, "moverResources": {"resources"},
		"affinity": {"moverAffinity"}, "moverAffinity": {"affinity"},
		"podSecurityContext": {"moverSecurityContext"}, "securityContext": {"moverSecurityContext", "podSecurityContext"},
		"moverSecurityContext": {"podSecurityContext"}, "moverServiceAccount": {"serviceAccountName"},
		"serviceAccount": {"moverServiceAccount", "serviceAccountName"}, "serviceAccountName": {"moverServiceAccount"},
	}
}

// nearest returns the candidate that name most likely meant, or "". Case and
// separators do not count; beyond that one slip in three letters is tolerated.
func nearest(name string, candidates []string) string {
	const longest = 64
	if name == "" || len(name) > longest {
		return ""
	}
	plain := fold(name)
	best, distance := "", max(1, min(3, len(plain)/3))+1
	for _, c := range candidates {
		n := levenshtein.ComputeDistance(plain, fold(c))
		if n < distance && n < len(c) {
			best, distance = c, n
		}
	}
	return best
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
}
