package kopiatest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Repository is a filesystem repository that is read with bare kopia, through
// a config and a cache of its own: what it shows is what any other client sees.
type Repository struct {
	Kopia    string
	Dir      string
	Password string

	client string
}

// NewRepository returns the repository at dir, which need not exist yet.
func NewRepository(t testing.TB, kopia, dir, password string) *Repository {
	t.Helper()
	return &Repository{Kopia: kopia, Dir: dir, Password: password, client: t.TempDir()}
}

// quickKeys makes kopia derive the key in half the time of its default and
// without 64 MiB of memory: every process that opens the repository does so.
const quickKeys = "--format-block-key-derivation-algorithm=pbkdf2-sha256-600000"

// Create makes it, with bare kopia. It opens faster than one that the product
// creates.
func (r *Repository) Create(t testing.TB) {
	t.Helper()
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.Run(t, "repository", "create", "filesystem", "--path="+r.Dir, quickKeys,
		"--override-username=maintenance", "--override-hostname=volsync")
}

// Run runs bare kopia on the repository and returns its standard output; a
// failure fails the test.
func (r *Repository) Run(t testing.TB, args ...string) string {
	t.Helper()
	out, errText, code := r.Try(t, args...)
	if code != 0 {
		t.Fatalf("kopia %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errText)
	}
	return out
}

// Try is Run for a command that may fail.
func (r *Repository) Try(t testing.TB, args ...string) (stdout, stderr string, exitCode int) {
	t.Helper()
	config := filepath.Join(r.client, "kopia.config")
	if _, err := os.Stat(config); err != nil && args[0] != "repository" {
		r.configure(t, config)
	}
	cmd := exec.CommandContext(t.Context(), r.Kopia, append(args, "--config-file="+config,
		"--log-dir="+filepath.Join(r.client, "logs"), "--no-auto-maintenance")...)
	cmd.Env = []string{
		"HOME=" + r.client, "KOPIA_PASSWORD=" + r.Password, "KOPIA_CHECK_FOR_UPDATES=false",
		"KOPIA_CACHE_DIRECTORY=" + filepath.Join(r.client, "cache"),
	}
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("kopia %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errText.String(), cmd.ProcessState.ExitCode()
}

// configure writes kopia's config, which saves the process that would connect.
func (r *Repository) configure(t testing.TB, file string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"storage":  map[string]any{"type": "filesystem", "config": map[string]any{"path": r.Dir}},
		"hostname": "reader", "username": "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Listed is a snapshot as bare kopia lists it.
type Listed struct {
	ID     string `json:"id"`
	Source struct {
		Host     string `json:"host"`
		UserName string `json:"userName"`
		Path     string `json:"path"`
	} `json:"source"`
	Incomplete string            `json:"incomplete"`
	Tags       map[string]string `json:"tags"`
}

// Identity is the one that it is recorded under.
func (l Listed) Identity() result.Identity {
	return result.Identity{Username: l.Source.UserName, Hostname: l.Source.Host, Path: l.Source.Path}
}

// Snapshots lists every snapshot of the repository, incomplete ones too.
func (r *Repository) Snapshots(t testing.TB) []Listed {
	t.Helper()
	var list []Listed
	out := r.Run(t, "snapshot", "list", "--all", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("decode the list of snapshots: %v\n%s", err, out)
	}
	return list
}

// Restore restores a snapshot to a new directory and returns it.
func (r *Repository) Restore(t testing.TB, id string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	r.Run(t, "snapshot", "restore", id, dir)
	return dir
}

// Blobs returns the files of the repository whose blob name starts with the
// prefix: p data, q metadata, x index.
func (r *Repository) Blobs(t testing.TB, prefix string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(r.Dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(r.Dir, path)
		if err == nil && strings.HasPrefix(strings.ReplaceAll(rel, string(filepath.Separator), ""), prefix) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
