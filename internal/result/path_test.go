package result_test

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func TestOnlyAPathThatStartsWithTheMountPathIsReadWithoutIt(t *testing.T) {
	t.Parallel()
	for sourcePath, want := range map[string]string{
		"/data": ".", "/data/": ".", "//data": ".", "/data/x": "x", "/data//x/": "x", "/data/data": "data",
		"": "", "data": "", "data/x": "", "/": "", "/database": "", "/x/data": "", "x": "",
	} {
		short, ok := result.WithoutMount(sourcePath)
		if ok != (want != "") || ok && short != want {
			t.Errorf("%q: %q, %v; want %q", sourcePath, short, ok, want)
		}
	}
}

func TestSnapshotsAreRecordedBelowTheMountPathOrUnderTheOverride(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sourcePath, override, recorded, otherwise string }{
		{"", "", "/data", ""},
		{"app/config/", "", "/data/app/config", ""},
		{"/data", "", "/data/data", "/data"},
		{"/data/ledger", "", "/data/data/ledger", "/data/ledger"},
		{"data/ledger", "", "/data/data/ledger", ""},
		{"/data/ledger", "/srv/wiki", "/srv/wiki", ""},
		{"", "/srv//wiki/", "/srv/wiki", ""},
	} {
		recorded, otherwise := result.RecordedPath(c.sourcePath, c.override)
		if recorded != c.recorded || otherwise != c.otherwise {
			t.Errorf("sourcePath %q, override %q: %q or %q, want %q or %q",
				c.sourcePath, c.override, recorded, otherwise, c.recorded, c.otherwise)
		}
	}
}
