package kopiaexec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// recorded is what kopia 0.22.3 really writes, carriage returns and all.
const recorded = "Snapshotting u@h:/data/x ...\n" +
	"\r | 1 hashing, 0 hashed (15 B), 0 cached (0 B), uploaded 0 B, estimating..." +
	"\r / 0 hashing, 2679 hashed (37.8 KB), 0 cached (0 B), uploaded 182 B, estimating..." +
	"\n ! Error when processing \"/data/x/private.key\": permission denied\n" +
	"\r - 1 hashing, 3330 hashed (23.2 MB), 12 cached (1.5 GB), uploaded 182 B (1 fatal errors), estimated 30.1 MB (77.1%) 1m3s left" +
	"\r * 0 hashing, 5001 hashed (30.1 MB), 12 cached (1.5 GB), uploaded 25.4 MB (1 fatal errors), estimating...   \n" +
	// The error that ends kopia follows its progress on the same line.
	"\r | 0 hashing, 5001 hashed (30.1 MB), 12 cached (1.5 GB), uploaded 25.4 MB (1 fatal errors) (2 errors ignored), estimating...unable to write: no space\n"

func TestStderrIsCutIntoProgressAndLog(t *testing.T) {
	t.Parallel()
	// However the pipe cuts the text, the lines are the same.
	for _, size := range []int{1, 7, 64, 4096} {
		var seen []result.Progress
		s := &stderrSplitter{onProgress: func(p result.Progress) { seen = append(seen, p) }}
		for rest := recorded; rest != ""; {
			n := min(size, len(rest))
			if _, err := s.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		s.flush()
		want := []result.Progress{
			{HashedBytes: 15},
			{HashedFiles: 2679, HashedBytes: 37_800, UploadedBytes: 182},
			{HashedFiles: 3330, HashedBytes: 23_200_000, CachedFiles: 12, CachedBytes: 1_500_000_000, UploadedBytes: 182, Errors: 1, EstimatedBytes: 30_100_000, EstimatedSeconds: 63},
			{HashedFiles: 5001, HashedBytes: 30_100_000, CachedFiles: 12, CachedBytes: 1_500_000_000, UploadedBytes: 25_400_000, Errors: 1},
			{HashedFiles: 5001, HashedBytes: 30_100_000, CachedFiles: 12, CachedBytes: 1_500_000_000, UploadedBytes: 25_400_000, Errors: 1},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("in pieces of %d:\n%s", size, diff)
		}
		log := []string{"Snapshotting u@h:/data/x ...", ` ! Error when processing "/data/x/private.key": permission denied`, "unable to write: no space"}
		if diff := cmp.Diff(log, s.log); diff != "" {
			t.Errorf("in pieces of %d:\n%s", size, diff)
		}
	}
}

// A restore that fails ends its progress no more than an upload does.
func TestErrorAfterTheProgressOfARestore(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"at its beginning": "Processed 3 (1.2 MB) of 5 (3 MB).",
		"with an estimate": "Processed 3 (1.2 MB) of 5 (3 MB), skipped 1 (0 B), ignored 2 errors 1.2 MB/s (40.1%) remaining 1h0m3s.",
		"over a long line": "Processed 3 (1.2 MB) of 5 (3 MB).      ",
	}
	for name, line := range rows {
		var seen []result.Progress
		s := &stderrSplitter{onProgress: func(p result.Progress) { seen = append(seen, p) }}
		text := "Restoring to local filesystem (/t)\n\r" + line + "\r" + line + "error restoring: no space left on device\n"
		if _, err := s.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		progress := result.Progress{HashedFiles: 3, HashedBytes: 1_200_000, EstimatedBytes: 3_000_000}
		if diff := cmp.Diff([]result.Progress{progress, progress}, seen); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		log := []string{"Restoring to local filesystem (/t)", "error restoring: no space left on device"}
		if diff := cmp.Diff(log, s.log); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestLogKeepsTheLastLinesWithoutNoise(t *testing.T) {
	t.Parallel()
	s := &stderrSplitter{}
	for range 2 * keptLines {
		s.line("early")
	}
	s.line("unable to send notification\t{\"err\":\"a page of stack trace\"}")
	s.line(`{"processedObjectCount":0}`)
	s.line("\x1b[31mERROR\x1b[0m " + strings.Repeat("x", 2*maxLogBytes))
	if len(s.log) != keptLines {
		t.Errorf("%d lines are kept, want %d", len(s.log), keptLines)
	}
	last := s.log[keptLines-1]
	if !strings.HasPrefix(last, "ERROR xxx") || len(last) > maxLogBytes+3 {
		t.Errorf("the last line has %d bytes and starts with %.20q", len(last), last)
	}
}

// A secret that lies across the place where a line is cut is no less hidden.
func TestALongLineIsRedactedBeforeItIsCut(t *testing.T) {
	t.Parallel()
	hide := func(text string) string { return strings.ReplaceAll(text, "the-secret", "[redacted]") }
	s := &stderrSplitter{redact: hide}
	s.line(strings.Repeat("x", maxLogBytes-5) + "the-secret" + strings.Repeat("y", 100))
	if got := s.log[0]; strings.Contains(got, "the-s") || len(got) > maxLogBytes+3 {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-20:])
	}
}

// A line without an end must not fill the memory, and what follows it is read.
func TestALineWithoutAnEnd(t *testing.T) {
	t.Parallel()
	s := &stderrSplitter{}
	for range 100 {
		if _, err := s.Write([]byte(strings.Repeat("x", maxLineBytes/10))); err != nil {
			t.Fatal(err)
		}
		if len(s.pending) > 2*maxLineBytes {
			t.Fatalf("%d bytes are kept", len(s.pending))
		}
	}
	if _, err := s.Write([]byte("\nand then\n")); err != nil {
		t.Fatal(err)
	}
	if len(s.log) != 2 || !strings.HasSuffix(s.log[0], "xxx...") || s.log[1] != "and then" {
		t.Errorf("%d lines, the last is %.80q", len(s.log), s.log[len(s.log)-1])
	}
}

// FuzzProgressNeverGoesBack: whatever kopia prints, however it is cut, no count
// that is handed on is less than the one before, and no line that is kept is
// longer than a log line may be.
func FuzzProgressNeverGoesBack(f *testing.F) {
	f.Add(recorded)
	f.Add("\r | 1 hashing, 9 hashed (9 EB), 0 cached (0 B), uploaded 0 B\r | 1 hashing, 99999999999999999999 hashed (-1 B), 0 cached (x), uploaded 99 EB\r")
	f.Fuzz(func(t *testing.T, text string) {
		var old result.Progress
		s := &stderrSplitter{onProgress: func(p result.Progress) {
			if p.HashedFiles < old.HashedFiles || p.HashedBytes < old.HashedBytes || p.CachedBytes < old.CachedBytes || p.UploadedBytes < old.UploadedBytes || p.Errors < old.Errors {
				t.Fatalf("%+v after %+v", p, old)
			}
			old = p
		}}
		for _, part := range []string{text[:len(text)/2], text[len(text)/2:]} {
			if _, err := s.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		s.flush()
		for _, line := range s.log {
			if len(line) > maxLogBytes+len("...") {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
	})
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0 B": 0, "15 B": 15, "37.8 KB": 37_800, "1.5 GB": 1_500_000_000, "2 EB": 2e18,
		"": 0, "x": 0, "-1 B": 0, "5 MiB": 0, "99 EB": 0,
	} {
		if got := parseSize(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}
