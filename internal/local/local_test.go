package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/status"
)

func object(name string) result.ObjectRef {
	return result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: name}
}

func TestObjectsDoNotShareState(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 100)
	seen := map[string]bool{}
	for _, o := range []result.ObjectRef{
		object("app"), object("app2"), object(long + "1"), object(long + "2"),
		{Kind: "ReplicationDestination", Namespace: "prod", Name: "app"},
		{Kind: "ReplicationSource", Namespace: "dev", Name: "app"},
	} {
		dir := StateOf("/state", o).dir
		if seen[dir] {
			t.Errorf("%s shares %s", o, dir)
		}
		seen[dir] = true
	}
}

func TestHistorySurvivesAndSaysWhatIsBroken(t *testing.T) {
	t.Parallel()
	state := StateOf(t.TempDir(), object("app"))
	h, err := state.History()
	if err != nil || len(h.Results) > 0 {
		t.Fatalf("an unknown object: %+v, %v", h, err)
	}
	r := result.Result{Outcome: result.Succeeded, EndTime: time.Unix(1, 0), Object: object("app"), Snapshot: &result.Snapshot{Files: 2}}
	for range 2 {
		if err := state.Record(status.Run{Result: r}); err != nil {
			t.Fatal(err)
		}
	}
	if h, err = state.History(); err != nil || len(h.Results) != 2 || h.Status.LastSyncTime == nil {
		t.Errorf("%d results, %v", len(h.Results), err)
	}
	if err := os.WriteFile(state.history, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.History(); err == nil || !strings.Contains(err.Error(), "read the local history") {
		t.Errorf("a broken history: %v", err)
	}
}

// inputSet holds one Secret with the keys.
func inputSet(t *testing.T, keys string) *spec.Set {
	t.Helper()
	set, problems := spec.Parse([]spec.Input{{Name: "x", Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: vault, namespace: prod}\nstringData: " + keys + "\n")}}, spec.Options{})
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return set
}

func TestPrepareWritesKeysForThisUserAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	p := &plan.Prepare{
		WorkDir:     dir,
		Directories: []string{filepath.Join(dir, "work")},
		Files: []plan.PreparedDir{
			{Dir: filepath.Join(dir, "all"), Kind: spec.KindSecret, Name: "vault"},
			{Dir: filepath.Join(dir, "ca"), Kind: spec.KindSecret, Name: "vault", Key: "root.pem", File: "ca.crt"},
		},
	}
	if err := prepare(p, inputSet(t, "{a: '1', root.pem: pem}"), "prod"); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"all/a", "all/root.pem", "ca/ca.crt"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		got[name] = string(data)
	}
	if diff := cmp.Diff(map[string]string{"all/a": "1", "all/root.pem": "pem", "ca/ca.crt": "pem"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "ca", "a")); !os.IsNotExist(err) {
		t.Error("a key that was not asked for was written")
	}
	p.Files[0].Name = "absent"
	p.WorkDir += "-2"
	if err := prepare(p, inputSet(t, "{a: '1'}"), "prod"); fault.KindOf(err) != fault.Refused {
		t.Errorf("an absent Secret: %v", err)
	}
}

// Where everybody may make a directory, one that is there already is a trap.
func TestAPrivateDirectoryThatIsThereIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, trap := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o777) },
		"a link":      func(path string) error { return os.Symlink(dir, path) },
		"a dead link": func(path string) error { return os.Symlink(dir+"/nowhere", path) },
		"a file":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		path := filepath.Join(dir, name)
		if err := trap(path); err != nil {
			t.Fatal(err)
		}
		p := &plan.Prepare{WorkDir: path, Files: []plan.PreparedDir{{Dir: filepath.Join(path, "repository"), Kind: spec.KindSecret, Name: "vault"}}}
		if err := prepare(p, inputSet(t, "{a: '1'}"), "prod"); fault.KindOf(err) != fault.Refused {
			t.Errorf("%s: %v", name, err)
		}
		for _, key := range []string{path + "/repository/a", dir + "/repository/a"} {
			if _, err := os.Stat(key); err == nil {
				t.Errorf("%s: the Secret was written to %s", name, key)
			}
		}
	}
}

func TestAKeyCannotLeaveItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := writeKeys(plan.PreparedDir{Dir: filepath.Join(dir, "keys")}, map[string][]byte{"../escaped": []byte("x")})
	if err == nil {
		t.Error("written")
	}
	if _, err := os.Stat(filepath.Join(dir, "escaped")); !os.IsNotExist(err) {
		t.Error("the key left its directory")
	}
}

func TestWorkDirPrefersMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got, want := WorkDir(dir, "r1"), filepath.Join(dir, "kubectl-volsync-kopia-r1"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := WorkDir(filepath.Join(dir, "absent"), "r1"); strings.HasPrefix(got, dir) {
		t.Errorf("a missing runtime directory is used: %s", got)
	}
	if got := DefaultStateDir("", "/home/u"); got != "/home/u/.local/state/kubectl-volsync-kopia" {
		t.Error(got)
	}
	if got := DefaultStateDir("/x", "/home/u"); got != "/x/kubectl-volsync-kopia" {
		t.Error(got)
	}
}
