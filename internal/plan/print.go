package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// JSON returns the plan as indented JSON with a newline at its end.
func (p *Plan) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the plan: %w", err)
	}
	return append(data, '\n'), nil
}

// WriteText prints the plan for people.
func (p *Plan) WriteText(w io.Writer) error {
	var text strings.Builder
	pr := &printer{p: p, w: &text}
	pr.head()
	pr.facts()
	if pr.p.Operation != result.OperationMaintenance {
		pr.policy()
		pr.settings()
	}
	pr.arguments()
	pr.actions()
	pr.steps()
	pr.needs()
	pr.findings()
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// printer writes to memory, where nothing fails.
type printer struct {
	p *Plan
	w *strings.Builder
}

func (pr *printer) linef(format string, args ...any) {
	pr.w.WriteString(printable.Line(strings.TrimRight(fmt.Sprintf(format, args...), " ")) + "\n")
}

// head is the one line that says what the run is.
func (pr *printer) head() {
	pr.linef("%s    run %s (%s)", pr.p.Intent(), pr.p.RunID, pr.verdict())
	if o := pr.p.Otherwise; o != nil {
		pr.linef("or as %s, if the volume has no directory %s", o, strings.TrimPrefix(pr.p.Identity.Path, podData+"/"))
	}
	if s := pr.p.Skip; s != nil {
		pr.linef("Skipped: %s", s.Message)
	}
	pr.linef("")
}

// verdict is what would happen to the plan.
func (pr *printer) verdict() string {
	switch {
	case pr.p.Findings.HasErrors():
		return "refused"
	case pr.p.Skip != nil:
		return "skipped"
	}
	return "planned"
}

// facts are the choices of the plan, a line each.
func (pr *printer) facts() {
	pr.linef("Object     %s", pr.p.Object)
	if pr.p.Copy != nil {
		pr.linef("Copy       %s", pr.copyLine())
	}
	pr.linef("Cache      %s", pr.cacheLine())
	pr.linef("Mover      %s", pr.moverLine())
	pr.linef("Repository %s", pr.repositoryLine())
}

func (pr *printer) copyLine() string {
	c := pr.p.Copy
	var parts []string
	if c.SnapshotClass != "" {
		parts = append(parts, "class "+c.SnapshotClass)
	}
	switch {
	case c.Size != "" && c.Method == spec.CopySnapshot:
		parts = append(parts, "at least "+c.Size)
	case c.Size != "":
		parts = append(parts, c.Size)
	}
	if c.StorageClass != "" {
		parts = append(parts, "StorageClass "+c.StorageClass)
	}
	if c.BindingMode != "" {
		parts = append(parts, c.BindingMode)
	}
	if c.ReadOnly {
		parts = append(parts, "read-only")
	}
	line := string(c.Method)
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	if c.Reason != "" {
		line += " (" + c.Reason + ")"
	}
	return line
}

func (pr *printer) cacheLine() string {
	c := pr.p.Cache
	where := "emptyDir " + c.Capacity
	switch {
	case pr.p.Local != nil:
		where = c.Directory
	case c.Claim != "":
		where = "pvc/" + c.Claim + " " + c.Capacity + " (kept)"
		if c.StorageClass != "" {
			where += ", StorageClass " + c.StorageClass
		}
	}
	return fmt.Sprintf("%s (content %s, metadata %s, index %s)", where,
		limit(c.ContentBytes), limit(c.MetadataBytes), limit(c.MetadataBytes))
}

// limit prints a cache limit.
func limit(n int64) string {
	if n == 0 {
		return "as kopia likes"
	}
	return humanize.Bytes(uint64(max(n, 0)))
}

func (pr *printer) moverLine() string {
	m := pr.p.Mover
	if pr.p.Local != nil {
		return "this machine, " + m.Kopia
	}
	parts := []string{m.Image}
	if m.Image == "" {
		parts[0] = "no image"
	}
	user := "uid of the image"
	if m.User != nil {
		user = fmt.Sprintf("uid %d", *m.User)
	}
	parts = append(parts, user)
	if m.Privileged {
		parts = append(parts, "reads any file")
	}
	if m.ServiceAccount != "" {
		parts = append(parts, "service account "+m.ServiceAccount)
	}
	parts = append(parts, m.PodSecurity)
	node := "node chosen by the scheduler"
	if m.Node != "" {
		node = "node " + m.Node
	}
	if m.NodeReason != "" {
		node += " (" + m.NodeReason + ")"
	}
	parts = append(parts, node)
	return strings.Join(parts, ", ")
}

// shownID is how much of a repository's id tells it from another.
const shownID = 12

func (pr *printer) repositoryLine() string {
	r := pr.p.Repository
	line := "secret/" + r.Secret
	if r.Backend != "" {
		line += ", " + strings.TrimSpace(r.Backend+" "+r.Location)
	}
	switch {
	case pr.p.Operation == result.OperationMaintenance:
		return line + ", which must exist: a maintenance makes none"
	case r.Exists == nil && r.Backend == "":
		line += ", backend and existence unknown (--connect tells)"
	case r.Exists == nil:
		line += ", existence unknown (--connect tells)"
	case *r.Exists:
		line += ", exists with id " + r.UniqueID[:min(len(r.UniqueID), shownID)]
	case r.Absent != nil && r.Absent.Barred != "":
		return line + ", does not exist and would not be created: " + r.Absent.Barred
	default:
		return line + ", does not exist and would be created"
	}
	return line + ", create " + string(r.Create)
}

// policy is a table for each target.
func (pr *printer) policy() {
	pr.linef("")
	global := false
	for _, target := range pr.p.Policy {
		title := "Policy for " + target.Target
		if target.Target == "(global)" {
			title, global = "Global policy", true
		}
		pr.policyTarget(title, target)
	}
	if !global {
		pr.linef("Global policy: not named by this manifest")
	}
}

func (pr *printer) policyTarget(title string, t TargetPolicy) {
	if len(t.Values) == 0 {
		note := t.Note
		if note == "" {
			note = "inherited"
		}
		pr.linef("%s: %s", title, note)
		return
	}
	rows := [][]string{{title, "now", "after", "from"}}
	for _, v := range t.Values {
		rows = append(rows, []string{"  " + v.Path, nowText(v), afterText(v), v.From})
	}
	pr.table(rows)
	if t.Note != "" {
		pr.linef("  %s", t.Note)
	}
}

// withheldText stands for a value that is not shown.
const withheldText = "(not shown)"

// nowText is the value in the repository.
func nowText(v PolicyValue) string {
	switch {
	case v.Now == nil:
		return "unknown"
	case *v.Now == "":
		return "not set"
	case *v.Now == result.Withheld:
		return withheldText
	}
	return *v.Now
}

// afterText is the value after the run.
func afterText(v PolicyValue) string {
	switch {
	case v.Unchanged:
		return "unchanged"
	case v.Sensitive:
		return "(from a Secret)"
	case v.After == "":
		return "not set"
	case v.After == result.Withheld:
		return withheldText
	}
	return v.After
}

// arguments is the table of additionalArgs.
func (pr *printer) arguments() {
	if len(pr.p.Arguments) == 0 {
		return
	}
	rows := [][]string{{"Arguments", "", ""}}
	for _, a := range pr.p.Arguments {
		rows = append(rows, []string{"  " + a.Raw, a.Class, a.Applied})
	}
	pr.table(rows)
}

// table aligns rows in columns two blanks apart.
func (pr *printer) table(rows [][]string) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = io.WriteString(w, printable.Row(row...)+"\n")
	}
	_ = w.Flush()
	for line := range strings.Lines(text.String()) {
		pr.linef("%s", strings.TrimRight(line, "\n"))
	}
}
