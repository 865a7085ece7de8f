package cmd

import (
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/run"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/ui"
)

// addProgressFlag adds --progress.
func addProgressFlag(c *cobra.Command, mode *string) {
	c.Flags().StringVar(mode, "progress", string(ui.ModeAuto), "how a run is shown on standard error: auto, tty, plain, json or none")
}

// checkProgress refuses an unknown mode.
func checkProgress(mode string) error {
	var allowed []string
	for _, m := range ui.Modes() {
		allowed = append(allowed, string(m))
	}
	return oneOf("progress", mode, allowed...)
}

// progress returns the display that --progress asks for.
func (f *Factory) progress(mode string) (ui.Progress, error) {
	if err := checkProgress(mode); err != nil {
		return nil, err
	}
	return ui.NewProgress(ui.Mode(mode), ui.Display{
		Out: f.Streams.ErrOut, Terminal: f.terminal(f.Streams.ErrOut), Palette: f.palette(f.Streams.ErrOut), Now: f.Now,
	}), nil
}

// progressOf is progress for several runs at a time: their steps would overwrite
// each other on one live line, so they are told line by line.
func (f *Factory) progressOf(mode string, runs int) (ui.Progress, error) {
	if runs > 1 && (mode == string(ui.ModeAuto) || mode == string(ui.ModeTTY)) {
		mode = string(ui.ModePlain)
	}
	return f.progress(mode)
}

// labelled names the object in every line of its log.
type labelled struct {
	to     run.Observer
	object string
}

// Observe implements run.Observer.
func (l labelled) Observe(e result.Event) {
	if e.Told() {
		e.Message = l.object + ": " + e.Message
	}
	l.to.Observe(e)
}

// terminal reports whether w is a terminal on which lines can be rewritten.
func (f *Factory) terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && f.Getenv("TERM") != "dumb"
}

// palette colours only a terminal, and none for whom NO_COLOR is set.
func (f *Factory) palette(w io.Writer) ui.Palette {
	return ui.Palette{Enabled: f.terminal(w) && f.Getenv("NO_COLOR") == ""}
}
