package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// plain writes the mover's own lines as they come, and a heartbeat when they
// stop coming. It is for logs: no line is ever rewritten.
type plain struct {
	mu  sync.Mutex
	out io.Writer
	now func() time.Time
	// phase is the one under way, doing what is said of it.
	phase, doing string
	began        time.Time
	wrote        time.Time
	last         result.Progress
	// reported is what the log has told of the run's failure, as fault.Report does.
	reported string
	stop     chan struct{}
	stopped  chan struct{}
}

func newPlain(d Display) *plain {
	p := &plain{out: d.Out, now: d.Now, wrote: d.Now(), began: d.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	go p.beat()
	return p
}

func (p *plain) Observe(e result.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Type {
	case result.EventPhase:
		p.phase = e.Phase
		p.doing, _ = step(e.Phase)
		p.began, p.last = p.now(), result.Progress{}
	case result.EventProgress:
		if e.Progress != nil {
			p.last = *e.Progress
		}
		p.beatIfDue()
	case result.EventLog:
		p.log(e.Message)
	case result.EventNote, result.EventReached, result.EventStart:
		p.write(e.Message)
	case result.EventFailed, result.EventSnapshot, result.EventWarning, result.EventResult, result.EventHeartbeat:
		// The mover says each of them in words of its own.
	}
}

// log writes a line of the mover's log. The one that says how a run has failed
// is written as the command reports it, which then need not do so once more.
func (p *plain) log(line string) {
	line = printable.Text(line)
	outcome, message, told := strings.Cut(line, ": ")
	switch {
	case told && slices.Contains(failures(), result.Outcome(outcome)):
		line = "error: " + message
		p.reported = line + "\n"
	case p.reported != "" && strings.HasPrefix(line, moreMark):
		if !strings.HasPrefix(line, "  fix: ") {
			line = "     " + line // as far in as fault.Report has it
		}
		p.reported += line + "\n"
	}
	p.write(line)
}

// moreMark begins the lines that belong to the one before.
const moreMark = "  "

// failures are the outcomes that a command reports as an error in the mover's words.
func failures() []result.Outcome {
	return []result.Outcome{result.Failed, result.Refused, result.Incomplete, result.TimedOut}
}

// Reported returns what the display has said of the run's failure, word for word
// as fault.Report would; empty: nothing.
func (p *plain) Reported() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reported
}

// Close ends the heartbeat.
func (p *plain) Close() {
	close(p.stop)
	<-p.stopped
}

// beat writes a heartbeat whenever nothing was written for too long.
func (p *plain) beat() {
	defer close(p.stopped)
	ticker := time.NewTicker(Heartbeat / 6)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.beatIfDue()
			p.mu.Unlock()
		}
	}
}

// beatIfDue writes how things stand when nothing was written for a heartbeat,
// less the ticker's own step, so that no silence is longer than Heartbeat.
func (p *plain) beatIfDue() {
	if p.now().Sub(p.wrote) < Heartbeat-Heartbeat/6 {
		return
	}
	elapsed := p.now().Sub(p.began)
	line := "still at it"
	if p.doing != "" { // the first step has begun
		line += ": " + p.doing
	}
	line += ", for " + Took(elapsed)
	if p.last != (result.Progress{}) {
		line += ": " + describe(p.phase, p.last, elapsed)
	}
	p.write(line)
}

func (p *plain) write(line string) {
	p.wrote = p.now()
	fmt.Fprintln(p.out, printable.Text(line))
}
