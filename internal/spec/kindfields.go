package spec

import (
	"cmp"
	"regexp"
)

// MaintenanceFields are where a KopiaMaintenance has, below spec, the fields that a
// ReplicationSource has below spec.kopia; those of the same name are not among them.
func MaintenanceFields() map[string]string {
	return map[string]string{
		"repository":           "repository.repository",
		"customCA":             "repository.customCA",
		"moverSecurityContext": "podSecurityContext",
		"moverServiceAccount":  "serviceAccountName",
		"moverResources":       "resources",
		"moverAffinity":        "affinity",
	}
}

var sourceField = regexp.MustCompile(`\bspec\.kopia\.(\w+)`)

// FieldsOf names in a text the fields of an object of the kind for those of a
// ReplicationSource: "raise spec.kopia.moverResources.limits" becomes, for a
// KopiaMaintenance, "raise spec.resources.limits".
func FieldsOf(kind, text string) string {
	if kind != KindKopiaMaintenance {
		return text
	}
	fields := MaintenanceFields()
	return sourceField.ReplaceAllStringFunc(text, func(field string) string {
		name := sourceField.FindStringSubmatch(field)[1]
		return "spec." + cmp.Or(fields[name], name)
	})
}
