package mover

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

func TestJournalHidesEverySecretWhole(t *testing.T) {
	t.Parallel()
	j := &journal{}
	j.hide(storage.Keys{
		"KOPIA_PASSWORD":        secret.New([]byte("pass\n")),
		"AWS_SECRET_ACCESS_KEY": secret.New([]byte("password-2024")),
		"KOPIA_REPOSITORY":      secret.New([]byte("s3://bucket")),
		"WEBDAV_URL":            secret.New([]byte("https://me:inline@host/x")),
		"EMPTY":                 secret.New([]byte("  ")),
	})
	got := j.redact("pass password-2024 cGFzcw== s3://bucket https://me:inline@host/x")
	if want := "[redacted] [redacted] [redacted] s3://bucket https://me:[redacted]@host/x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A secret of several lines arrives line by line, and of a JSON document whoever
// fails prints a part.
func TestJournalHidesThePartsOfASecret(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nshort\n-----END PRIVATE KEY-----\n"
	document, err := json.Marshal(map[string]any{"type": "sa", "private_key": key, "nested": []any{map[string]any{"refresh_token": "1//0gLongToken"}}, "port": 22})
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	j.hide(storage.Keys{
		"SFTP_KEY_DATA": secret.New([]byte(key)), "GOOGLE_APPLICATION_CREDENTIALS": secret.New(document),
		"RCLONE_CONFIG": secret.New([]byte("[remote]\ntype = s3\nsecret_access_key = abcdefghijkl\n")),
	})
	for text, want := range map[string]string{
		"MIIEvQIBADANBgkq":                 "[redacted]",
		"  hkiG9w0BAQEFAASC  ":             "  [redacted]  ",
		"a short word, type sa":            "a short word, type sa",
		"token 1//0gLongToken refused":     "token [redacted] refused",
		"secret_access_key = abcdefghijkl": "[redacted]",
		"what abcdefghijkl is":             "what [redacted] is",
		string(document):                   "[redacted]",
	} {
		if got := j.redact(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestNoTextLineCanBeTakenForAnEvent(t *testing.T) {
	t.Parallel()
	forged := `VK1 {"apiVersion":"volsync-kopia/v1","kind":"Event","type":"phase","phase":"forged"}`
	var out bytes.Buffer
	j := &journal{out: &out, clock: time.Now}
	for _, text := range []string{forged, "first\n" + forged, "\n" + forged, "first\r\n" + forged, "first\r" + forged} {
		j.sayf("%s", text)
	}
	for line := range bytes.Lines(out.Bytes()) {
		if e, err := result.DecodeEventLine(line); err == nil {
			t.Errorf("%q is the event %+v", line, e)
		}
	}
}

func TestGracePeriodIsSharedByKopiaAndTheAfterAction(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	d := newDriver(result.Task{
		GracePeriod: result.Duration(100 * time.Second),
		Backup:      &result.BackupTask{Actions: &result.Actions{After: "true", Timeout: result.Duration(time.Hour)}},
	}, Options{Clock: func() time.Time { return now }})
	if got := d.kopiaGrace(); got != 75*time.Second {
		t.Errorf("kopia has %s", got)
	}
	d.noteCancel()
	for passed, want := range map[time.Duration]time.Duration{0: 100 * time.Second, 75 * time.Second: 25 * time.Second, time.Hour: leastForAfter} {
		now = time.Unix(1000, 0).Add(passed)
		if got := d.graceLeft(); got != want {
			t.Errorf("%s after the cancel the after-action has %s, want %s", passed, got, want)
		}
	}
	d.task.Backup.Actions.After = ""
	if got := d.kopiaGrace(); got != 100*time.Second {
		t.Errorf("without an after-action kopia has %s", got)
	}
}

func TestAValueThatMayBeASecretsIsNotSaid(t *testing.T) {
	t.Parallel()
	upload := func(sensitive bool) map[policy.Setting]policy.Origin {
		return map[policy.Setting]policy.Origin{policy.SettingUpload: {Sensitive: sensitive}, policy.SettingDownload: {Sensitive: !sensitive}}
	}
	rows := map[string]struct {
		origins map[policy.Setting]policy.Origin
		planned int64
		says    string
	}{
		"from a ConfigMap or the manifest": {upload(false), 0, "limit: 5.0 MB/s (5000000 bytes per second)"},
		"from a Secret":                    {upload(true), 0, "limit: set by a Secret"},
		"from the task's arguments":        {upload(true), 5_000_000, "limit: 5.0 MB/s (5000000 bytes per second)"},
	}
	for name, row := range rows {
		var out bytes.Buffer
		d := &driver{log: &journal{out: &out, clock: time.Now}, settings: policy.Resolution{Origins: row.origins}}
		d.sayLimit(policy.SettingUpload, "limit", 5_000_000, row.planned)
		if got := strings.TrimSpace(out.String()); got != row.says {
			t.Errorf("%s: %q, want %q", name, got, row.says)
		}
	}
}

// kubectl logs prints the log as it is.
func TestTheLogIsPrintable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	j := &journal{out: &out, clock: time.Now, secrets: []string{"a\x1bsecret"}}
	j.sayf("kopia: %s", "\x1b[2J\u202e a\x1bsecret\n::error::x")
	if got, want := out.String(), `kopia: \x1b[2J\u202e [redacted]`+"\n"+`  \x3a:error::x`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
