package kopiaexec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// A verdict without kopia must be kopia's own; where it cannot be told, kopia
// is asked.
func TestDiagnoseDirectoryAgreesWithKopia(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		prepare func(t *testing.T, repo *kopiatest.Repository)
		// reason is empty where kopia must be asked.
		reason kopiaexec.Reason
		// kopia is what it then says; empty: it opens the repository.
		kopia kopiaexec.Reason
	}{
		"missing": {func(*testing.T, *kopiatest.Repository) {}, kopiaexec.ReasonStorageMissing, kopiaexec.ReasonStorageMissing},
		"empty":   {makeDir, kopiaexec.ReasonNotInitialized, kopiaexec.ReasonNotInitialized},
		"other people's files": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			kopiatest.Write(t, repo.Dir+"/2026/thesis.txt", "mine")
		}, kopiaexec.ReasonNotInitialized, kopiaexec.ReasonNotInitialized},
		"above a repository": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			kopiatest.NewRepository(t, repo.Kopia, repo.Dir+"/deeper", repo.Password).Create(t)
		}, kopiaexec.ReasonNotInitialized, kopiaexec.ReasonNotInitialized},
		"a repository": {createRepository, "", ""},
		"a repository without its note on directories": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			kopiatest.Write(t, repo.Dir+"/.shards", asBefore)
			repo.Create(t)
			remove(t, []string{repo.Dir + "/.shards"})
		}, "", ""},
		"a repository whose files lie deeper": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			repo.Create(t)
			repo.Run(t, "blob", "shards", "modify", "--path="+repo.Dir, "--i-am-sure-kopia-is-not-running", "--default-shards=2,2", "--unsharded-length=3")
			if _, err := os.Stat(repo.Dir + "/kopia.repository.f"); err == nil {
				t.Fatal("the format blob is where it was")
			}
		}, "", ""},
		"what an attempt of kopia's left": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			kopiatest.Write(t, repo.Dir+"/.shards", asBefore)
		}, "", kopiaexec.ReasonNotInitialized},
		"a file": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			kopiatest.Write(t, repo.Dir, "x")
		}, "", kopiaexec.ReasonKopia},
		"below a file": {func(t *testing.T, repo *kopiatest.Repository) {
			t.Helper()
			kopiatest.Write(t, filepath.Dir(repo.Dir), "x")
		}, "", kopiaexec.ReasonStorageMissing},
	}
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		for name, row := range rows {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				repo := kopiatest.NewRepository(t, kopia, filepath.Join(t.TempDir(), "volume", "repository"), "pw")
				row.prepare(t, repo)
				before := namesBelow(t, repo.Dir)
				diagnosis, certain := kopiaexec.DiagnoseDirectory(repo.Dir)
				if certain != (row.reason != "") || diagnosis.Reason != row.reason {
					t.Errorf("%q, %v; want %q", diagnosis.Reason, certain, row.reason)
				}
				if diff := cmp.Diff(before, namesBelow(t, repo.Dir)); diff != "" {
					t.Errorf("the look has changed the directory:\n%s", diff)
				}
				_, log, code := repo.Try(t, "policy", "list")
				if row.kopia == "" {
					if code != 0 {
						t.Errorf("kopia does not open it:\n%s", log)
					}
					return
				}
				said := kopiaexec.Diagnose(strings.Split(strings.TrimSpace(log), "\n"))
				if code == 0 || said.Reason != row.kopia {
					t.Errorf("kopia: exit %d, %s, want %s\n%s", code, said.Reason, row.kopia, log)
				}
				if certain && (said.Kind != diagnosis.Kind || said.Why != diagnosis.Why || said.Hint != diagnosis.Hint) {
					t.Errorf("meaning %+v, kopia's is %+v", diagnosis, said)
				}
			})
		}
	})
}

func TestADirectorysDiagnosisClaimsNoWordOfKopias(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{dir: dir + " holds no kopia.repository.f", dir + "/gone": "no such file or directory"} {
		diagnosis, _ := kopiaexec.DiagnoseDirectory(path)
		err := diagnosis.Err("open the repository")
		if fault.KindOf(err) != fault.Repository || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "kopia says") {
			t.Errorf("%v", err)
		}
	}
}

// asBefore is how kopia spread files over directories before it took notes.
const asBefore = `{"default":[3,3],"maxNonShardedLength":20}`

func makeDir(t *testing.T, repo *kopiatest.Repository) {
	t.Helper()
	if err := os.MkdirAll(repo.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func createRepository(t *testing.T, repo *kopiatest.Repository) {
	t.Helper()
	repo.Create(t)
}

// namesBelow lists everything below dir; a missing dir is empty.
func namesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	if _, err := os.Lstat(dir); err != nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// One directory too high is a likely mistake: to make a repository there would be
// the wrong way out.
func TestDiagnoseDirectoryAboveTheRepository(t *testing.T) {
	t.Parallel()
	volume := t.TempDir()
	if d, _ := kopiaexec.DiagnoseDirectory(volume); !strings.Contains(d.Hint, "backup --create-repository=always") {
		t.Errorf("hint %q", d.Hint)
	}
	kopiatest.Write(t, volume+"/repository/kopia.repository.f", "x")
	d, certain := kopiaexec.DiagnoseDirectory(volume)
	if want := volume + "/repository holds a repository: name that directory"; !certain || d.Hint != want {
		t.Errorf("%v, hint %q, want %q", certain, d.Hint, want)
	}
}
