package mover

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// How often progress is told: to machines, and to people who read the log.
const (
	progressEvery  = time.Second
	heartbeatEvery = 30 * time.Second
)

// journal is the mover's log: lines for people and event lines, one writer for
// both. It is the second fence around secrets: the first is that nothing
// that holds one is ever given to it.
type journal struct {
	out   io.Writer
	clock func() time.Time
	runID string

	mu           sync.Mutex
	secrets      []string
	lastProgress time.Time
	lastBeat     time.Time
}

// minSecret is the length from which a value is looked for in the log; a
// shorter one would be found everywhere.
const minSecret = 4

// hide makes the journal replace the values of the keys. Of those that name the
// place, which messages must be able to show, it replaces only a password.
func (j *journal) hide(keys storage.Keys) {
	for name, value := range keys {
		text := storage.Hidden(name, value)
		if len(text) < minSecret {
			continue
		}
		j.secrets = append(j.secrets, text, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	// A secret within another must not be replaced first: the rest of the longer
	// one would stay.
	slices.SortFunc(j.secrets, func(a, b string) int { return len(b) - len(a) })
}

func (j *journal) redact(text string) string {
	for _, s := range j.secrets {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	return text
}

// sayf prints one line for people. A text with line breaks is indented, so
// that no line of it can be taken for an event.
func (j *journal) sayf(format string, args ...any) {
	line := j.redact(fmt.Sprintf(format, args...))
	if strings.HasPrefix(line, result.EventPrefix) {
		line = " " + line
	}
	j.write([]byte(strings.ReplaceAll(line, "\n", "\n  ") + "\n"))
}

// event prints one line for machines.
func (j *journal) event(e result.Event) {
	e.Time, e.RunID = j.clock().UTC(), j.runID
	line, err := result.EventLine(e)
	if err != nil {
		j.sayf("ERROR: %v", err)
		return
	}
	j.write(line)
}

// write hands one whole line on. A log that cannot be written to changes
// nothing about the backup, so its error is dropped.
func (j *journal) write(line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = j.out.Write(line)
}

// progress tells how far kopia is, at the two rates.
func (j *journal) progress(p result.Progress) {
	now := j.clock()
	if now.Sub(j.lastProgress) >= progressEvery {
		j.lastProgress = now
		j.event(result.Event{Type: result.EventProgress, Progress: &p})
	}
	if j.lastBeat.IsZero() {
		j.lastBeat = now
	}
	if now.Sub(j.lastBeat) >= heartbeatEvery {
		j.lastBeat = now
		j.sayf("%s", describe(p))
	}
}

func describe(p result.Progress) string {
	return fmt.Sprintf("hashed %s in %s files, cached %s, uploaded %s",
		size(p.HashedBytes), humanize.Comma(p.HashedFiles), size(p.CachedBytes), size(p.UploadedBytes))
}

// size prints bytes for people.
func size(bytes int64) string { return humanize.Bytes(uint64(max(bytes, 0))) }
