package kopiaexec

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Bounds of what is kept of kopia's standard error.
const (
	keptLines   = 50
	maxLogBytes = 4096
)

// escapes are the colours that kopia 0.21 prints also when nobody looks.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// stderrSplitter cuts kopia's standard error at line feeds and carriage
// returns into progress and log lines.
type stderrSplitter struct {
	onProgress func(result.Progress)
	onLog      func(string)

	pending  []byte
	log      []string
	progress result.Progress
}

// Write implements io.Writer.
func (s *stderrSplitter) Write(p []byte) (int, error) {
	s.pending = append(s.pending, p...)
	for {
		i := bytes.IndexAny(s.pending, "\r\n")
		if i < 0 {
			return len(p), nil
		}
		s.line(string(s.pending[:i]))
		s.pending = append(s.pending[:0], s.pending[i+1:]...)
	}
}

// flush takes what came after the last line end.
func (s *stderrSplitter) flush() {
	s.line(string(s.pending))
	s.pending = nil
}

func (s *stderrSplitter) line(line string) {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), " \t")
	if strings.TrimSpace(line) == "" || isNoise(line) {
		return
	}
	if p, rest, ok := parseProgress(line); ok {
		s.progress = advance(s.progress, p)
		if s.onProgress != nil {
			s.onProgress(s.progress)
		}
		if rest == "" {
			return
		}
		line = rest
	}
	if len(line) > maxLogBytes {
		line = strings.ToValidUTF8(line[:maxLogBytes], "") + "..."
	}
	if len(s.log) == keptLines {
		s.log = append(s.log[:0], s.log[1:]...)
	}
	s.log = append(s.log, line)
	if s.onLog != nil {
		s.onLog(line)
	}
}

// isNoise recognises what kopia logs besides: a stack trace of the
// notifications that it could not send, and the counters of verify --json.
func isNoise(line string) bool {
	return strings.HasPrefix(line, "unable to send notification") || strings.HasPrefix(line, `{"processedObjectCount"`)
}
