package storage_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

func TestMaintainer(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                 "nobody",
		" \n":              "nobody",
		"keeper\n":         "keeper@volsync",
		"keeper@elsewhere": "keeper@elsewhere",
		"@elsewhere":       "an error",
		"keeper@":          "an error",
		"a@b@c":            "an error",
		"a b":              "an error",
		"a@b\nc":           "an error",
	} {
		username, hostname, given, err := storage.Keys{"KOPIA_OVERRIDE_MAINTENANCE_USERNAME": secret.New([]byte(value))}.Maintainer("volsync")
		got := "nobody"
		switch {
		case err != nil && (given || username+hostname != ""):
			t.Errorf("%q: %v beside %q, %q", value, err, username, hostname)
		case err != nil:
			got = "an error"
		case given:
			got = username + "@" + hostname
		}
		if got != want {
			t.Errorf("%q is %s, want %s", value, got, want)
		}
	}
}
