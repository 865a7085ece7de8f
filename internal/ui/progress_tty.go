package ui

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// clearLine goes to the start of the line and erases it.
const clearLine = "\r\x1b[K"

// noWrap and wrap turn the terminal's own line wrap off and on: a wrapped live
// line could not be erased by clearLine.
const (
	noWrap = "\x1b[?7l"
	wrap   = "\x1b[?7h"
)

// redrawEvery bounds how often the live line is written.
const redrawEvery = 100 * time.Millisecond

// tty shows each step as a line once it is done, and one live line below.
type tty struct {
	mu      sync.Mutex
	out     io.Writer
	palette Palette
	now     func() time.Time
	// phase is the one under way; doing and done name its step; no step: doing is empty.
	phase, doing, done string
	began              time.Time
	drawn              time.Time
	live               bool
	// failed is true when the step under way has not been done.
	failed bool
}

func newTTY(d Display) *tty { return &tty{out: d.Out, palette: d.Palette, now: d.Now} }

func (t *tty) Observe(e result.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Type {
	case result.EventPhase:
		t.finish(true)
		t.phase = e.Phase
		t.doing, t.done = step(e.Phase)
		t.began, t.failed = t.now(), false
		if t.doing != "" {
			t.draw("")
		}
	case result.EventFailed:
		t.failed = true
	case result.EventProgress:
		if e.Progress != nil && t.now().Sub(t.drawn) >= redrawEvery {
			t.draw(describe(t.phase, *e.Progress, t.now().Sub(t.began)))
		}
	case result.EventHeartbeat:
		// Nothing else moves the line of a phase without progress.
		if e.Progress == nil && t.doing != "" {
			t.draw("for " + Took(t.now().Sub(t.began)))
		}
	case result.EventWarning:
		if e.Warning != nil {
			t.line(t.palette.Warn("!!"), e.Warning.Message)
			// The mover's warnings have a code; the one without is of a step of the
			// command that could not be done.
			t.failed = t.failed || e.Warning.Code == ""
		}
	case result.EventResult:
		t.finish(true) // the run's own end is no step: which one has failed was told
	case result.EventStart:
		t.erase()
		fmt.Fprintln(t.out, printable.Text(e.Message))
	case result.EventNote:
		t.line("..", e.Message)
	case result.EventReached:
		t.done = e.Message
	case result.EventLog, result.EventSnapshot:
		// The steps say it.
	}
}

// Close erases an unfinished live line.
func (t *tty) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finish(false)
}

// finish turns the step under way into a line that stays.
func (t *tty) finish(well bool) {
	if t.doing == "" {
		return
	}
	mark, text := t.palette.Bad("!!"), t.doing
	if well && !t.failed {
		mark, text = t.palette.Good("ok"), t.done
	}
	t.line(mark, fmt.Sprintf("%-60s %s", text, Took(t.now().Sub(t.began))))
	t.doing = ""
}

// line writes a line that stays, above the live one.
func (t *tty) line(mark, text string) {
	t.erase()
	fmt.Fprintf(t.out, "  %s  %s\n", mark, printable.Text(text))
}

// draw writes the live line anew.
func (t *tty) draw(detail string) {
	t.erase()
	t.drawn, t.live = t.now(), true
	fmt.Fprintf(t.out, "%s  ..  %s  %s%s", noWrap, t.doing, detail, wrap)
}

func (t *tty) erase() {
	if t.live {
		io.WriteString(t.out, clearLine)
		t.live = false
	}
}
