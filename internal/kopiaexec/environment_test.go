package kopiaexec

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// authority writes a CA file with the name as a comment.
func authority(t *testing.T, name string) (path string, content []byte) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	content = append([]byte("# "+name+"\n"), block...)
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestCustomCAStandsBesideTheSystems(t *testing.T) {
	t.Parallel()
	custom, customPEM := authority(t, "custom")
	system, systemPEM := authority(t, "system")
	other, otherPEM := authority(t, "other")
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := writeBundle(bundle, custom, []string{"/nowhere/ca.pem", system, other}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(got, customPEM) || !bytes.Contains(got, systemPEM) || bytes.Contains(got, otherPEM) {
		t.Errorf("the bundle is not the custom CA and the first system bundle that exists:\n%s", got)
	}
}

func TestEnvironmentNamesTheBundle(t *testing.T) {
	t.Parallel()
	custom, _ := authority(t, "custom")
	work := t.TempDir()
	env, err := Environment(work, custom)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(env, "SSL_CERT_FILE="+filepath.Join(work, "ca-bundle.pem")) {
		t.Errorf("the environment is %v", env)
	}
	info, err := os.Stat(filepath.Join(work, "ca-bundle.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the bundle: %v, %v", info, err)
	}
	env, err = Environment(work, "")
	if err != nil || slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "SSL_CERT_FILE") }) {
		t.Errorf("without a custom CA the environment is %v, %v", env, err)
	}
}

func TestCustomCAThatIsNone(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(empty, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{"/nowhere/ca.crt": "no such file", empty: "no certificate"} {
		if _, err := Environment(t.TempDir(), file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", file, err, says)
		}
	}
}
