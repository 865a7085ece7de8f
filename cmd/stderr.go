package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// What a command says on standard error beside the display of a run: text for
// people, or with --progress=json Events as the display's own.

// events reports whether standard error carries Events only.
func (f *Factory) events() bool { return f.flag("progress") == string(ui.ModeJSON) }

// event writes one Event, in one write.
func (f *Factory) event(e result.Event) {
	e.APIVersion, e.Kind, e.Time = result.APIVersion, result.KindEvent, f.Now()
	if data, err := json.Marshal(e); err == nil {
		_, _ = f.Streams.ErrOut.Write(append(data, '\n'))
	}
}

// warn writes a warning Event.
func (f *Factory) warn(w result.Warning) {
	f.event(result.Event{Type: result.EventWarning, Message: w.Message, Warning: &w})
}

// note says something that is neither a finding nor a fault.
func (f *Factory) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if f.events() {
		f.event(result.Event{Type: result.EventLog, Message: text})
		return
	}
	fmt.Fprintln(f.Streams.ErrOut, printable.Text(text))
}

// warning says what is neither a finding nor a fault and should be seen to.
func (f *Factory) warning(text string) {
	if f.events() {
		f.warn(result.Warning{Message: text})
		return
	}
	fmt.Fprintln(f.Streams.ErrOut, printable.Text("Warning: "+text))
}

// showFindings says what the manifests' judges found. In Events the errors are
// left to the Result that ends the command.
func (f *Factory) showFindings(report *ui.Report) error {
	if f.events() {
		for i := range report.Problems {
			if p := &report.Problems[i]; p.Severity == problem.Warning {
				f.event(result.Event{
					Type: result.EventWarning, Message: ui.Sentence(p), Warning: &result.Warning{Code: p.Code, Message: p.Message},
				})
			}
		}
		return nil
	}
	err := ui.WriteTable(f.Streams.ErrOut, report)
	if err == nil && f.onGitHub() {
		err = ui.WriteGitHub(f.Streams.ErrOut, report)
	}
	if err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	return nil
}

// apiWarnings says what an API server warns of.
func (f *Factory) apiWarnings() rest.WarningHandler {
	if f.events() {
		return &warningEvents{f: f, said: map[string]bool{}}
	}
	return rest.NewWarningWriter(f.Streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
}

// warningEvents says each warning of an API server once, as an Event.
type warningEvents struct {
	f    *Factory
	mu   sync.Mutex
	said map[string]bool
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warningEvents) HandleWarningHeader(code int, _, text string) {
	const miscellaneous = 299 // the one code that Kubernetes uses
	w.mu.Lock()
	defer w.mu.Unlock()
	if code != miscellaneous || text == "" || w.said[text] {
		return
	}
	w.said[text] = true
	w.f.warn(result.Warning{Message: text})
}

// lines returns where a child process may write: standard error, or in Events a
// log Event for each line.
func (f *Factory) lines() io.Writer {
	if f.events() {
		return &lineEvents{f: f}
	}
	return f.Streams.ErrOut
}

// lineEvents turns lines into log Events.
type lineEvents struct {
	f    *Factory
	rest []byte
}

// Write implements io.Writer.
func (l *lineEvents) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)
	for {
		line, after, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		l.f.note("%s", line)
		l.rest = after
	}
}

// reportFault says what went wrong. In Events that is a Result, unless the run's
// own has said it.
func (f *Factory) reportFault(v *verdict) {
	if f.events() {
		for _, err := range v.left {
			f.warn(result.Warning{Message: err.Error()})
		}
		if (v.plan == nil || !v.done()) && v.started == nil && !v.told {
			r := v.document(f.Now())
			f.event(result.Event{RunID: r.RunID, Type: result.EventResult, Result: &r})
		}
		return
	}
	switch {
	case v.invalid() != nil:
		fmt.Fprintln(f.Streams.ErrOut, v.err)
	case v.err != nil:
		f.reportOnce(v, v.err)
	case !v.done() && v.result != nil:
		failure := fault.New(fault.Failed, "%s", v.result.Message).WithHint(v.result.Hint)
		if v.named {
			failure.Where = v.object
		}
		f.reportOnce(v, failure)
	}
	for _, err := range v.left {
		fault.Report(f.Streams.ErrOut, err)
	}
}

// reportOnce reports the error, unless the display of the run has done so in the
// same words.
func (f *Factory) reportOnce(v *verdict, err error) {
	var text strings.Builder
	fault.Report(&text, err)
	if text.String() != v.reported {
		_, _ = io.WriteString(f.Streams.ErrOut, text.String())
	}
}
