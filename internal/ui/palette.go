package ui

// Palette colours a few words by their meaning. The zero Palette prints plain.
type Palette struct {
	// Enabled is set for a terminal without NO_COLOR and with a TERM other than
	// dumb.
	Enabled bool
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

// Good colours success.
func (p Palette) Good(s string) string { return p.paint(green, s) }

// Warn colours what deserves a look.
func (p Palette) Warn(s string) string { return p.paint(yellow, s) }

// Bad colours failure.
func (p Palette) Bad(s string) string { return p.paint(red, s) }

func (p Palette) paint(colour, s string) string {
	if !p.Enabled || s == "" {
		return s
	}
	return colour + s + reset
}
