package ui_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// clock is a time that a test moves by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func phase(name string) result.Event { return result.Event{Type: result.EventPhase, Phase: name} }
func line(text string) result.Event  { return result.Event{Type: result.EventLog, Message: text} }
func ended(code int) result.Event {
	return result.Event{Type: result.EventResult, Result: &result.Result{ExitCode: code}}
}

// failing is what is told of the phase under way.
var failing = result.Event{Type: result.EventFailed}

func uploading(hashed, uploaded int64) result.Event {
	return result.Event{Type: result.EventProgress, Progress: &result.Progress{
		HashedFiles: 1200, HashedBytes: hashed, CachedBytes: 1000, UploadedBytes: uploaded, EstimatedBytes: 20_000_000, EstimatedSeconds: 90, Errors: 1,
	}}
}

// show feeds a display and returns what it wrote.
func show(mode ui.Mode, terminal bool, feed func(ui.Progress, *clock)) string {
	var out bytes.Buffer
	c := &clock{now: time.Unix(1000, 0)}
	p := ui.NewProgress(mode, ui.Display{Out: &out, Terminal: terminal, Now: c.Now})
	feed(p, c)
	p.Close()
	return out.String()
}

func TestPlainPassesTheLogOnAndIsNeverSilent(t *testing.T) {
	t.Parallel()
	got := show(ui.ModeAuto, false, func(p ui.Progress, c *clock) {
		p.Observe(result.Event{Type: result.EventStart, Message: "Backup of x"})
		p.Observe(phase("snapshot"))
		p.Observe(line("from the mover"))
		c.pass(20 * time.Second)
		p.Observe(uploading(8_000_000, 2_000_000)) // not yet due
		c.pass(8 * time.Second)
		p.Observe(uploading(10_000_000, 3_000_000)) // 28 s without a word
		p.Observe(ended(0))
	})
	want := `Backup of x
from the mover
still at it: uploading, for 28s: 1,200 files   10 MB / ~20 MB   hashed 10 MB, cached 1.0 kB, uploaded 3.0 MB   357 kB/s   about 1m30s left   1 error
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A restore hashes and uploads nothing.
func TestARestoreIsToldInItsOwnWords(t *testing.T) {
	t.Parallel()
	restoring := result.Event{Type: result.EventProgress, Progress: &result.Progress{HashedFiles: 1200, HashedBytes: 10_000_000, EstimatedBytes: 20_000_000}}
	for mode, want := range map[ui.Mode]string{
		ui.ModePlain: "still at it: restoring, for 28s: 1,200 files restored   10 MB / ~20 MB   357 kB/s\n",
		ui.ModeTTY:   "restoring  1,200 files restored   10 MB / ~20 MB   357 kB/s",
	} {
		got := show(mode, mode == ui.ModeTTY, func(p ui.Progress, c *clock) {
			p.Observe(phase("restore"))
			c.pass(28 * time.Second)
			p.Observe(restoring)
		})
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q is not in %q", mode, want, got)
		}
	}
}

func TestTerminalShowsStepsThatStayAndOneLiveLine(t *testing.T) {
	t.Parallel()
	got := show(ui.ModeAuto, true, func(p ui.Progress, c *clock) {
		p.Observe(phase("repository"))
		c.pass(1500 * time.Millisecond)
		p.Observe(phase("snapshot"))
		c.pass(2 * time.Second)
		p.Observe(uploading(8_000_000, 2_000_000))
		p.Observe(uploading(9_000_000, 2_000_000)) // too soon to draw again
		p.Observe(result.Event{Type: result.EventWarning, Warning: &result.Warning{Message: "the cache is full"}})
		p.Observe(line("not shown"))
		p.Observe(failing)
		p.Observe(ended(7))
	})
	const live, wrap = "\r\x1b[K", "\x1b[?7h"
	want := "\x1b[?7l  ..  opening the repository  " + wrap + live +
		"  ok  repository opened                                            1.5s\n" +
		"\x1b[?7l  ..  uploading  " + wrap + live +
		"\x1b[?7l  ..  uploading  1,200 files   8.0 MB / ~20 MB   hashed 8.0 MB, cached 1.0 kB, uploaded 2.0 MB   4.0 MB/s   about 1m30s left   1 error" + wrap + live +
		"  !!  the cache is full\n" +
		"  !!  uploading                                                    2.0s\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Why the command waits stays on the screen; what it has waited for is the step.
func TestTerminalSaysWhyItWaitsAndWhatItGot(t *testing.T) {
	t.Parallel()
	got := show(ui.ModeTTY, true, func(p ui.Progress, _ *clock) {
		p.Observe(phase("start"))
		p.Observe(result.Event{Type: result.EventNote, Message: "pod x is not yet scheduled: 0/3 nodes are available"})
		p.Observe(result.Event{Type: result.EventReached, Message: "mover x started on node node-3"})
		p.Observe(phase("source"))
		p.Observe(ended(0))
	})
	for _, line := range []string{"  ..  pod x is not yet scheduled: 0/3 nodes are available\n", "  ok  mover x started on node node-3 "} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in %q", line, got)
		}
	}
}

// How a run has failed is written once, as the command reports it: the display says
// what it has told.
func TestPlainReportsTheFailureOfARun(t *testing.T) {
	t.Parallel()
	var reported string
	got := show(ui.ModePlain, false, func(p ui.Progress, _ *clock) {
		for _, text := range []string{"kopia: Failed: not this", "Failed: open the repository", "  of two lines", "  fix: check", "  both"} {
			p.Observe(line(text))
		}
		p.Observe(ended(7))
		reported = p.(ui.Reporter).Reported()
	})
	var want bytes.Buffer
	fault.Report(&want, fault.New(fault.Repository, "open the repository\nof two lines").WithHint("check\nboth"))
	if diff := cmp.Diff(want.String(), reported); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("kopia: Failed: not this\n"+want.String(), got); diff != "" {
		t.Error(diff)
	}
	for _, well := range []string{"Succeeded: x", "Unchanged: x", "Cancelled: x", "Failed"} {
		got := show(ui.ModePlain, false, func(p ui.Progress, _ *clock) { p.Observe(line(well)) })
		if got != well+"\n" {
			t.Errorf("%q", got)
		}
	}
}

// A run that fails: what failed is marked, what came after it is done.
func TestTerminalShowsWhatFailedAndThatItWasUndone(t *testing.T) {
	t.Parallel()
	lost := result.Event{Type: result.EventWarning, Warning: &result.Warning{Message: "forbidden"}}
	for name, row := range map[string]struct {
		events []result.Event
		want   []string
	}{
		"before its mover ran": {
			[]result.Event{phase("copy"), phase("start"), failing, phase("undo"), ended(1)},
			[]string{"ok  copy of the volume made", "!!  starting the mover", "ok  undone what the run had done"},
		},
		"in its mover": {
			[]result.Event{phase("snapshot"), phase("proof"), failing, phase("status"), phase("remove"), ended(7)},
			[]string{"ok  uploaded", "!!  proving it from the repository", "ok  status written", "ok  removed what the run made"},
		},
		"in its mover, which went on": {
			[]result.Event{phase("snapshot"), failing, phase("proof"), phase("status"), phase("remove"), ended(4)},
			[]string{"!!  uploading", "ok  proved from the repository", "ok  status written", "ok  removed what the run made"},
		},
		"and leaves something": {
			[]result.Event{phase("proof"), failing, phase("status"), lost, phase("remove"), ended(1)},
			[]string{"!!  proving it from the repository", "!!  forbidden", "!!  writing the status", "ok  removed what the run made"},
		},
		"in the clean-up alone": {
			[]result.Event{phase("proof"), phase("status"), phase("remove"), lost, ended(8)},
			[]string{"ok  proved from the repository", "ok  status written", "!!  forbidden", "!!  removing what the run made"},
		},
	} {
		got := show(ui.ModeTTY, true, func(p ui.Progress, _ *clock) {
			for _, e := range row.events {
				p.Observe(e)
			}
		})
		if diff := cmp.Diff(row.want, marked(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// marked are the lines that stay of a terminal, without times.
func marked(shown string) []string {
	var lines []string
	for line := range strings.Lines(shown) {
		const erased = "\x1b[K"
		if at := strings.LastIndex(line, erased); at >= 0 {
			line = line[at+len(erased):]
		}
		text, _, _ := strings.Cut(strings.TrimSpace(line), "   ")
		lines = append(lines, text)
	}
	return lines
}

// A step of the command that could not be done is not called done.
func TestTerminalMarksAStepThatLeftSomething(t *testing.T) {
	t.Parallel()
	got := show(ui.ModeTTY, true, func(p ui.Progress, _ *clock) {
		p.Observe(phase("status"))
		p.Observe(result.Event{Type: result.EventWarning, Warning: &result.Warning{Message: "forbidden"}})
		p.Observe(phase("remove"))
		p.Observe(ended(8))
	})
	if !strings.Contains(got, "  !!  writing the status ") || strings.Contains(got, "status written") || !strings.Contains(got, "  ok  removed ") {
		t.Errorf("%q", got)
	}
}

// A run that goes on by itself has done its last step, and no other is under way.
func TestTerminalLetsARunGo(t *testing.T) {
	t.Parallel()
	got := show(ui.ModeTTY, true, func(p ui.Progress, _ *clock) {
		p.Observe(phase("start"))
		p.Observe(result.Event{Type: result.EventReached, Message: "mover x started on node node-3"})
		p.Observe(phase("detached"))
	})
	if diff := cmp.Diff([]string{"ok  mover x started on node node-3"}, marked(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Not even before the first step a plain display is silent.
func TestPlainIsNotSilentBeforeTheFirstStep(t *testing.T) {
	t.Parallel()
	got := show(ui.ModePlain, false, func(p ui.Progress, c *clock) {
		c.pass(28 * time.Second)
		p.Observe(result.Event{Type: result.EventProgress})
	})
	if got != "still at it, for 28s\n" {
		t.Errorf("%q", got)
	}
}

func TestAnUnfinishedStepIsNotCalledDone(t *testing.T) {
	t.Parallel()
	got := show(ui.ModeTTY, false, func(p ui.Progress, _ *clock) { p.Observe(phase("proof")) })
	if strings.Contains(got, "proved") || !strings.Contains(got, "!!  proving it from the repository") {
		t.Errorf("%q", got)
	}
}

func TestJSONIsOneEventALine(t *testing.T) {
	t.Parallel()
	events := []result.Event{phase("snapshot"), line("a\nb"), uploading(1, 2), ended(0)}
	got := show(ui.ModeJSON, true, func(p ui.Progress, _ *clock) {
		for _, e := range events {
			p.Observe(e)
		}
	})
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != len(events) {
		t.Fatalf("%d lines for %d events:\n%s", len(lines), len(events), got)
	}
	for i, text := range lines {
		var e result.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(events[i], e); diff != "" {
			t.Errorf("line %d: %s", i, diff)
		}
	}
}

func TestNoneIsSilent(t *testing.T) {
	t.Parallel()
	if got := show(ui.ModeNone, true, func(p ui.Progress, _ *clock) { p.Observe(line("x")) }); got != "" {
		t.Errorf("%q", got)
	}
}

func TestSizesAndTimesForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{-1: "0 B", 0: "0 B", 999: "999 B", 19_200_000_000: "19 GB"} {
		if got := ui.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{300 * time.Millisecond: "0.3s", 9 * time.Second: "9.0s", 171*time.Second + 400*time.Millisecond: "2m51s"} {
		if got := ui.Took(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// hostile is a text with what a terminal and a runner would act upon, and shown how
// it must be seen.
const (
	hostile = "::error::a\x1b]0;title\x07\u202e ##[error]b\x9b"
	shown   = `\x1b]0;title\a\u202e \x23#[error]b\x9b`
)

// Whoever may name a file in the volume has no say over the reader's screen.
func TestNoDisplayForPeopleActsUponWhatItIsTold(t *testing.T) {
	t.Parallel()
	for mode, want := range map[ui.Mode]int{ui.ModePlain: 6, ui.ModeTTY: 6} {
		got := show(mode, true, func(p ui.Progress, c *clock) {
			p.Observe(result.Event{Type: result.EventStart, Message: hostile})
			p.Observe(result.Event{Type: result.EventNote, Message: hostile})
			p.Observe(phase(hostile)) // of a newer mover
			p.Observe(line(hostile))
			p.Observe(line("Failed: " + hostile))
			p.Observe(line("  fix: " + hostile))
			p.Observe(result.Event{Type: result.EventWarning, Warning: &result.Warning{Message: hostile}})
			c.pass(28 * time.Second)
			p.Observe(uploading(1, 1))
			p.Observe(phase("copy"))
			p.Observe(result.Event{Type: result.EventReached, Message: hostile})
			p.Observe(ended(0))
		})
		rest := strings.NewReplacer("\r\x1b[K", "", "\x1b[?7l", "", "\x1b[?7h", "").Replace(got)
		if strings.ContainsAny(rest, "\x1b\a\r\u202e") || strings.Contains(rest, "\x9b") || strings.Contains(rest, "##[") || strings.Contains("\n"+rest, "\n::") {
			t.Errorf("%s: %q", mode, rest)
		}
		if n := strings.Count(rest, shown); n < want {
			t.Errorf("%s shows it %d times, want %d:\n%s", mode, n, want, rest)
		}
	}
}

// The command tells it once: in the words that fault.Report has for it.
func TestPlainReportsAHostileFailureAsTheCommandDoes(t *testing.T) {
	t.Parallel()
	reported := ""
	show(ui.ModePlain, false, func(p ui.Progress, _ *clock) {
		p.Observe(line("Failed: " + hostile))
		p.Observe(line("  " + hostile))
		p.Observe(line("  fix: " + hostile))
		reported = p.(ui.Reporter).Reported()
	})
	var want bytes.Buffer
	fault.Report(&want, fault.New(fault.Failed, "%s\n%s", hostile, hostile).WithHint(hostile))
	if diff := cmp.Diff(want.String(), reported); diff != "" {
		t.Error(diff)
	}
}
