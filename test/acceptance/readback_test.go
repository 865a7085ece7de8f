package acceptance

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// values are expected values by dotted path; a nil one must be absent.
type values map[string]any

// kept is an expected value that is kopia's without the manifest, too. Every
// other one must differ from that, so that it can only come from the manifest.
type kept struct{ value any }

// checkPolicy compares kopia's effective policy of the target ("" is the global
// one) with what is wanted, and that with the global policy before the run.
func (w *world) checkPolicy(t *testing.T, target string, want values) {
	t.Helper()
	if target == "" {
		target = "--global"
	}
	checkValues(t, "policy of "+target, w.repo.Run(t, "policy", "show", "--json", target), want)
	checkChanged(t, w.before, want)
}

// checkChanged fails for expected values that were in force before the run.
func checkChanged(t *testing.T, before string, want values) {
	t.Helper()
	if before == "" {
		return
	}
	tree := decoded(t, "policy before the run", before)
	for path, value := range want {
		if _, same := value.(kept); !same && cmp.Equal(plain(t, value), at(tree, path)) {
			t.Errorf("%s is %v without the manifest, too: the test shows nothing", path, value)
		}
	}
}

// checkLimits compares the limits that kopia says are in force under the
// mover's own configuration.
func (w *world) checkLimits(t *testing.T, want values) {
	t.Helper()
	checkValues(t, "limits", w.asMover(t, "repository", "throttle", "get", "--json"), want)
}

// asMover runs bare kopia with the configuration that the mover wrote, as the
// notes of the last backup have it.
func (w *world) asMover(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), w.kopia, append(args,
		"--config-file="+filepath.Join(w.dir, "kopia.config"), "--log-dir="+filepath.Join(w.dir, "logs"))...)
	cmd.Env = []string{"HOME=" + w.dir, "KOPIA_PASSWORD=" + w.repo.Password, "KOPIA_CHECK_FOR_UPDATES=false"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kopia %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func checkValues(t *testing.T, what, document string, want values) {
	t.Helper()
	tree := decoded(t, what, document)
	for path, value := range want {
		if k, ok := value.(kept); ok {
			value = k.value
		}
		if diff := cmp.Diff(plain(t, value), at(tree, path)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", what, path, diff)
		}
	}
}

func decoded(t *testing.T, what, document string) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal([]byte(document), &tree); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, document)
	}
	return tree
}

// plain gives a Go value the shape that JSON decoding gives it.
func plain(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// at returns the value at a dotted path, or nil.
func at(tree map[string]any, path string) any {
	var value any = tree
	for part := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[part]
	}
	return value
}

// checkRecorded says under which identities the repository holds snapshots.
func (w *world) checkRecorded(t *testing.T, want ...string) []kopiatest.Listed {
	t.Helper()
	snapshots := w.repo.Snapshots(t)
	var got []string
	for _, s := range snapshots {
		if id := s.Identity().String(); !slices.Contains(got, id) {
			got = append(got, id)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded identities (-want +got):\n%s", diff)
	}
	return snapshots
}

// checkContent restores the snapshot and compares it with a directory of the volume.
func (w *world) checkContent(t *testing.T, r result.Result, dir string) {
	t.Helper()
	if r.Snapshot == nil {
		t.Fatalf("no snapshot: %+v", r)
	}
	kopiatest.Compare(t, filepath.Join(w.volume, dir), w.repo.Restore(t, r.Snapshot.ID))
}

// checkArguments wants each argument in the call, and none of those refused.
func checkArguments(t *testing.T, call []string, want, not []string) {
	t.Helper()
	for _, a := range want {
		if n := len(slices.DeleteFunc(slices.Clone(call), func(have string) bool { return have != a })); n != 1 {
			t.Errorf("%s is %d times in %q, want once", a, n, call)
		}
	}
	for _, prefix := range not {
		for _, have := range call {
			if strings.HasPrefix(have, prefix) {
				t.Errorf("%s is in %q", have, call)
			}
		}
	}
}
