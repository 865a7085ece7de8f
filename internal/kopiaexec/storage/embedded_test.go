package storage_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// A place is shown in plans, logs and file names, so it must not hold the way in.
func TestResolveRefusesAPasswordInAPlace(t *testing.T) {
	t.Parallel()
	for _, pair := range []string{
		"KOPIA_REPOSITORY=webdav://u:c4n4ry@dav.example.com/x",
		"KOPIA_REPOSITORY=sftp://u:c4n4ry@h:22/backups",
		"KOPIA_REPOSITORY=sftp://u:c4n4ry/2@h/backups",
		"KOPIA_REPOSITORY=s3://id:c4n4ry@bucket",
		"KOPIA_REPOSITORY=u:c4n4ry@h",
		"KOPIA_REPOSITORY=rclone://:sftp,host=h,pass=c4n4ry:x",
		"WEBDAV_URL=https://u:c4n4ry@dav.example.com:8443/x",
		"KOPIA_S3_ENDPOINT=https://id:c4n4ry@minio:9000",
		"SFTP_HOST=u:c4n4ry@h",
		`RCLONE_REMOTE_PATH=r,client_secret="c4n4ry:x",env_auth=true:x`,
	} {
		name, _, _ := strings.Cut(pair, "=")
		k := keys(pair, "KOPIA_PASSWORD=pw")
		if name == "KOPIA_S3_ENDPOINT" {
			k["KOPIA_S3_BUCKET"] = secret.New([]byte("b"))
		}
		loc, problems := storage.Resolve(result.Storage{}, k)
		if !slices.ContainsFunc(problems, func(p problem.Problem) bool {
			return p.Code == "VK409" && p.Path == name && p.Severity == problem.Error
		}) {
			t.Errorf("%s: %+v", pair, problems)
		}
		hides(t, pair, loc, problems)
		// Where the manifest names the place, the Secret's is still a slip.
		loc, problems = storage.Resolve(result.Storage{Filesystem: &result.FilesystemStorage{Path: "/k"}}, k)
		hides(t, pair, loc, problems)
	}
	// A password may even stand where a scheme would.
	loc, problems := storage.Resolve(result.Storage{}, keys("KOPIA_PASSWORD=pw", "KOPIA_REPOSITORY=u:c4n4ry@h://x"))
	hides(t, "no scheme", loc, problems)
}

// hides checks that nothing is left of the canary, nor a place to use.
func hides(t *testing.T, pair string, loc storage.Location, problems problem.List) {
	t.Helper()
	if loc.Type() != "" || !problems.HasErrors() {
		t.Errorf("%s has a place all the same: %s", pair, loc.Type())
	}
	text, err := json.Marshal([]any{loc.Storage, problems})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "c4n4ry") {
		t.Errorf("%s is shown: %s", pair, text)
	}
}

func TestHiddenIsWhatMustNotBeShown(t *testing.T) {
	t.Parallel()
	for pair, want := range map[string]string{
		"AWS_SECRET_ACCESS_KEY=key\n":                               "key",
		"SOMETHING_NEW=value":                                       "value",
		"KOPIA_S3_BUCKET=bucket":                                    "",
		"KOPIA_REPOSITORY=sftp://u@h:2222/backups/me@example.com":   "",
		"WEBDAV_URL=https://dav.example.com:8443/files/me@host":     "",
		"WEBDAV_URL=https://[fe80::1]:8443/files/me@host":           "",
		"KOPIA_REPOSITORY=filesystem:///kopia/a:b@c":                "",
		"RCLONE_REMOTE_PATH=r:dir,pass=1":                           "",
		"RCLONE_REMOTE_PATH=:sftp,host=h,key_use_agent=true:x":      "",
		"KOPIA_REPOSITORY=webdav://u:p%40w@host/x":                  "p%40w",
		"KOPIA_REPOSITORY=sftp://u:p@w@host/x":                      "p@w",
		"KOPIA_REPOSITORY=sftp://u:p/w@host/x":                      "p/w",
		"RCLONE_REMOTE_PATH=:sftp,host=h,pass='p:w',user=u:x":       "p:w",
		"KOPIA_REPOSITORY=RCLONE://r,secret_access_key=abc:bucket/": "abc",
	} {
		name, value, _ := strings.Cut(pair, "=")
		if got := storage.Hidden(name, secret.New([]byte(value))); got != want {
			t.Errorf("%s: %q is hidden, want %q", pair, got, want)
		}
	}
}
