package problem_test

import (
	"strings"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

func TestNearestIsWhatWasProbablyMeant(t *testing.T) {
	t.Parallel()
	known := []string{"ecc", "tags", "keepDaily", "one-file-system", "max-upload-speed", "max-download-speed"}
	for word, want := range map[string]string{
		"ec": "ecc", "abc": "", "tgas": "tags", "xyzs": "", "keepDayly": "keepDaily", "KEEPDAILY": "keepDaily",
		"one_file_system": "one-file-system", "max-uplod-sped": "max-upload-speed", "max-speed": "", "": "",
		strings.Repeat("x", 100): "", "schneeeule": "",
	} {
		if got := problem.Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := problem.Nearest("b", []string{"c", "a"}); got != "c" {
		t.Errorf("of equals %q, want the first", got)
	}
}

func TestNearestOfNumberedNamesIsTheNearestNumber(t *testing.T) {
	t.Parallel()
	known := []string{"s2-default", "s2-parallel-4", "s2-parallel-8", "zstd"}
	for word, want := range map[string]string{
		"s2-parallel-16": "s2-parallel-8", "s2-parallel-1": "s2-parallel-4", "S2_parallel-7": "s2-parallel-8",
		"s2-parallel-99999999": "s2-parallel-8", "s2-pallel-8": "s2-parallel-8", "s2": "", "16": "",
	} {
		if got := problem.Nearest(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
