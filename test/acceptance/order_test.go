package acceptance

import (
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
)

// TestSourcesBeginInTheOrderOfTheInput: one at a time, each begins when the one
// before it in the input has ended.
func TestSourcesBeginInTheOrderOfTheInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.write(t, "x", "x")
	names := []string{"zebra", "ape", "mole"}
	var files []string
	for _, name := range names {
		files = append(files, w.files(t, name)...)
	}
	results := w.mustBackup(t, files...)
	if len(results) != len(names) {
		t.Fatalf("%d results", len(results))
	}
	for i, r := range results {
		if r.Object.Name != names[i] {
			t.Errorf("result %d is of %s, want %s", i, r.Object.Name, names[i])
		}
		if i > 0 && r.StartTime.Before(results[i-1].EndTime) {
			t.Errorf("%s began at %s, before %s had ended at %s", r.Object.Name, r.StartTime, names[i-1], results[i-1].EndTime)
		}
	}
}
