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
	// maxLineBytes is what is read of one line at most: more than any secret, so
	// that one is whole when it is looked for.
	maxLineBytes = 64 << 10
)

// escapes are the colours that kopia 0.21 prints also when nobody looks.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// stderrSplitter cuts kopia's standard error at line feeds and carriage
// returns into progress and log lines.
type stderrSplitter struct {
	onProgress func(result.Progress)
	onLog      func(string)
	// redact hides secrets in a line that is to be cut: a part of one would not be
	// found any more. It may be nil.
	redact func(string) string

	pending []byte
	// skipping is true inside a line of which enough was read.
	skipping bool
	log      []string
	progress result.Progress
}

// Write implements io.Writer.
func (s *stderrSplitter) Write(p []byte) (int, error) {
	s.pending = append(s.pending, p...)
	for {
		i := bytes.IndexAny(s.pending, "\r\n")
		if i < 0 {
			s.bound()
			return len(p), nil
		}
		if !s.skipping {
			s.line(string(s.pending[:i]))
		}
		s.skipping = false
		s.pending = append(s.pending[:0], s.pending[i+1:]...)
	}
}

// bound drops the rest of a line that has become too long.
func (s *stderrSplitter) bound() {
	if !s.skipping && len(s.pending) >= maxLineBytes {
		s.line(string(s.pending))
		s.skipping = true
	}
	if s.skipping {
		s.pending = s.pending[:0]
	}
}

// flush takes what came after the last line end.
func (s *stderrSplitter) flush() {
	if !s.skipping {
		s.line(string(s.pending))
	}
	s.pending, s.skipping = nil, false
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
		if s.redact != nil {
			line = s.redact(line)
		}
		line = strings.ToValidUTF8(line[:min(len(line), maxLogBytes)], "") + "..."
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
