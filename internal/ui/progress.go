package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Progress shows how a run goes. It is fed with events and owns its writer
// until Close. All implementations may be used from several goroutines.
type Progress interface {
	Observe(result.Event)
	// Close ends the display; it writes nothing after it returns.
	Close()
}

// Reporter is a Progress that tells of a run's failure itself.
type Reporter interface {
	// Reported returns what it has told, word for word as fault.Report does.
	Reported() string
}

// Mode is a value of --progress.
type Mode string

// The modes. ModeAuto is ModeTTY on a terminal and ModePlain elsewhere.
const (
	ModeAuto  Mode = "auto"
	ModeTTY   Mode = "tty"
	ModePlain Mode = "plain"
	ModeJSON  Mode = "json"
	ModeNone  Mode = "none"
)

// Modes lists the values of --progress.
func Modes() []Mode { return []Mode{ModeAuto, ModeTTY, ModePlain, ModeJSON, ModeNone} }

// Heartbeat is the longest silence of a plain display.
const Heartbeat = 30 * time.Second

// Display is what a Progress needs of its surroundings.
type Display struct {
	Out io.Writer
	// Terminal is true when Out is a terminal that understands cursor codes.
	Terminal bool
	Palette  Palette
	Now      func() time.Time
}

// NewProgress returns the display of the mode.
func NewProgress(mode Mode, d Display) Progress {
	if mode == ModeAuto {
		mode = ModePlain
		if d.Terminal {
			mode = ModeTTY
		}
	}
	switch mode {
	case ModeTTY:
		return newTTY(d)
	case ModeJSON:
		return &jsonProgress{encoder: json.NewEncoder(d.Out)}
	case ModeNone:
		return silent{}
	default:
		return newPlain(d)
	}
}

// silent shows nothing.
type silent struct{}

func (silent) Observe(result.Event) {}
func (silent) Close()               {}

// jsonProgress writes one Event a line, as docs/reference/events.md promises.
type jsonProgress struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (p *jsonProgress) Observe(e result.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A failed write is ignored: the run must continue when its reader has gone.
	_ = p.encoder.Encode(e)
}

func (p *jsonProgress) Close() {}

// phaseRestore is the mover's phase in which progress is of what is restored.
const phaseRestore = "restore"

// describe is one line about how far an upload or restore is. Of a restore kopia
// counts directories too, and nothing is hashed, cached or uploaded.
func describe(phase string, p result.Progress, elapsed time.Duration) string {
	hashed := p.HashedBytes + p.CachedBytes
	line := fmt.Sprintf("%s   %s", Count(p.HashedFiles+p.CachedFiles, "file"), Bytes(hashed))
	if phase == phaseRestore {
		line = fmt.Sprintf("%s restored   %s", Count(p.HashedFiles, "file"), Bytes(hashed))
	}
	if p.EstimatedBytes > 0 {
		line += " / ~" + Bytes(p.EstimatedBytes)
	}
	if phase != phaseRestore {
		line += fmt.Sprintf("   hashed %s, cached %s, uploaded %s", Bytes(p.HashedBytes), Bytes(p.CachedBytes), Bytes(p.UploadedBytes))
	}
	if s := elapsed.Seconds(); s >= 1 {
		line += fmt.Sprintf("   %s/s", Bytes(int64(float64(hashed)/s)))
	}
	if p.EstimatedSeconds > 0 {
		line += fmt.Sprintf("   about %s left", time.Duration(p.EstimatedSeconds)*time.Second)
	}
	if p.Errors > 0 {
		line += "   " + plural(int(p.Errors), "error")
	}
	return line
}

// Bytes prints a size in powers of ten, as 19.2 GB; kopia does the same.
func Bytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Took prints a duration as people say it: 0.3s, 2m51s.
func Took(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
