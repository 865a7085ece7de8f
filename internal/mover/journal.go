package mover

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// How often progress is told: to machines, and to people who read the log. The
// latter is less than what they are promised (30 s), and less than the silence
// in which the command's own display would speak.
const (
	progressEvery  = time.Second
	heartbeatEvery = 20 * time.Second
)

// journal is the mover's log: lines for people and event lines, one writer for
// both. It is the second fence around secrets: the first is that nothing
// that holds one is ever given to it.
type journal struct {
	out   io.Writer
	clock func() time.Time
	runID string

	// every is how long the log may be silent.
	every time.Duration

	mu           sync.Mutex
	secrets      []string
	lastProgress time.Time
	// said is when people were told something last.
	said time.Time
	// phase is the one that is going on, since when, and how far it is.
	phase      string
	phaseStart time.Time
	last       *result.Progress
}

// sayf prints one line for people, printable. A text with line breaks is indented, so
// that no line of it can be taken for an event.
func (j *journal) sayf(format string, args ...any) {
	line := j.redact(fmt.Sprintf(format, args...))
	if strings.HasPrefix(line, result.EventPrefix) {
		line = " " + line
	}
	j.mu.Lock()
	j.said = j.clock()
	j.mu.Unlock()
	j.write([]byte(strings.ReplaceAll(printable.Text(line), "\n", "\n  ") + "\n"))
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

// progress tells machines how far kopia is, at their rate; people are told at
// the next beat.
func (j *journal) progress(p result.Progress) {
	now := j.clock()
	j.mu.Lock()
	j.last = &p
	due := now.Sub(j.lastProgress) >= progressEvery
	if due {
		j.lastProgress = now
	}
	j.mu.Unlock()
	if due {
		j.event(result.Event{Type: result.EventProgress, Progress: &p})
	}
}

// begin notes which phase is going on, for the beats.
func (j *journal) begin(phase string, start time.Time) {
	j.mu.Lock()
	j.phase, j.phaseStart, j.last = phase, start, nil
	j.mu.Unlock()
	j.event(result.Event{Type: result.EventPhase, Phase: phase})
}

// beat keeps the log from falling silent until stop is called: whoever follows
// it takes a mover that says nothing for one that hangs.
func (j *journal) beat() (stop func()) {
	ticker := time.NewTicker(j.every / 4)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				j.beatIfDue()
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-ended
	}
}

// beatIfDue says how things stand when nothing was said for a while, less the
// ticker's own step.
func (j *journal) beatIfDue() {
	now := j.clock()
	j.mu.Lock()
	phase, took, last := j.phase, now.Sub(j.phaseStart).Round(time.Second), j.last
	due := phase != "" && now.Sub(j.said) >= j.every-j.every/4
	j.mu.Unlock()
	if !due {
		return
	}
	text := ""
	if last != nil {
		text = ": " + describe(phase, *last)
	}
	j.sayf("still at it: %s, for %s%s", phase, took, text)
	j.event(result.Event{Type: result.EventHeartbeat, Phase: phase, Progress: last})
}

// describe says how far kopia is; a restore hashes and uploads nothing.
func describe(phase string, p result.Progress) string {
	if phase == phaseRestore {
		return fmt.Sprintf("restored %s in %s", size(p.HashedBytes), files(p.HashedFiles))
	}
	return fmt.Sprintf("hashed %s in %s, cached %s, uploaded %s",
		size(p.HashedBytes), files(p.HashedFiles), size(p.CachedBytes), size(p.UploadedBytes))
}

// size prints bytes for people.
func size(bytes int64) string { return humanize.Bytes(uint64(max(bytes, 0))) }

// count counts things for people, in the singular if there is but one.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

func files(n int64) string { return count(n, "file", "files") }
