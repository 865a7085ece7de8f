package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// settings is the table of what the run uses beside policies.
func (pr *printer) settings() {
	s := pr.p.Settings
	if len(s.Values) == 0 {
		pr.linef("Settings: defaults")
	} else {
		rows := [][]string{{"Settings", "value", "from", ""}}
		for _, v := range s.Values {
			rows = append(rows, []string{"  " + v.Name, settingText(v), v.From, v.When})
		}
		pr.table(rows)
	}
	for _, document := range s.Unread {
		pr.linef("  %s, which only the mover reads, may set others", document)
	}
}

// settingText prints a value as the mover's log does.
func settingText(s Setting) string {
	if s.Sensitive {
		return "(from a Secret)"
	}
	n, err := strconv.ParseInt(s.Value, 10, 64)
	if err == nil && (s.Name == settingUpload || s.Name == settingDownload) {
		return fmt.Sprintf("%s/s (%d bytes per second)", humanize.Bytes(uint64(max(n, 0))), n)
	}
	return s.Value
}

// actions are the manifest's commands, whole, with what becomes of them.
func (pr *printer) actions() {
	a := pr.p.Actions
	if a == nil {
		return
	}
	switch {
	case a.Off != "":
		pr.linef("Actions: not run; %s", a.Off)
	case a.Timeout == 0:
		pr.linef("Actions, each with a time limit (from a Secret)")
	default:
		pr.linef("Actions, each at most %s", span(a.Timeout))
	}
	pr.script(actionBefore, a.Before)
	pr.script(actionAfter, a.After)
	if a.Unread != "" {
		pr.linef("  %s, which only the mover reads, may turn them off or change the time limit", a.Unread)
	}
}

// script prints a command or script with its lines one below the other.
func (pr *printer) script(name, text string) {
	if text == "" {
		return
	}
	title := "  " + name
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		pr.linef("%-18s%s", title, strings.TrimSuffix(line, "\n"))
		title = ""
	}
}
