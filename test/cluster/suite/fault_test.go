package suite

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// faultRow is one row of the fault matrix: a fault, and what becomes of a backup
// that meets it.
type faultRow struct {
	name string
	// alone is true for a fault that others on the node would feel: such rows run
	// one by one, before all others.
	alone bool
	shape shape
	// live puts the source itself into the cluster.
	live bool
	// storage and snapshots are the parameters of classes of the row's own, for the
	// data claim and for its snapshots.
	storage, snapshots map[string]string
	// given prepares the namespace; what it makes is not what the fault left.
	given func(f *faulted)
	// meet runs the backup, shows that the fault really happened, and returns how
	// the backup ended.
	meet func(f *faulted) ended
	// mend ends the fault; nil: it ends by itself.
	mend func(f *faulted)
	// code is the backup's exit code, says a pattern of its message.
	code int
	says string
	// leaves is true where nobody was left to remove anything.
	leaves bool
	// unknown is true where nobody can know how a run has ended.
	unknown bool
	// cleanup is true where cleanup removes what is left, and not the next run.
	cleanup bool
	// told looks at what is told of the backup once what it left is removed; nil:
	// what goes for every row is enough.
	told func(f *faulted)
}

// faultRows are the rows of all themes, and of every request that the command may be
// killed at.
func faultRows(points []killPoint) []faultRow {
	rows := slices.Concat(nodeFaults(), moverFaults(), evictionFaults(), storageFaults(), objectFaults(), rightFaults(),
		requestFaults(), outageFaults(), deadFaults(), clockFaults(), deletionFaults())
	for i := range rows {
		rows[i].cleanup = i%2 == 0
	}
	return append(rows, killFaults(points)...)
}

// TestFaultMatrix lets a backup meet each fault, and shows of each that it really
// happened, what the command said, what it left, that the repository is sound and
// bears out what is told of the run, and that the next run succeeds. It prints them as
// a table. A clean run comes first: the requests that the command is killed at are its.
func TestFaultMatrix(t *testing.T) {
	rows := faultRows(killPoints(t))
	m := &matrix{lines: make([]*faultLine, len(rows))}
	for i := range rows {
		m.lines[i] = &faultLine{name: rows[i].name}
	}
	defer func() { t.Logf("\n%s", m.table()) }()
	for i, r := range rows {
		if r.alone {
			t.Run(faultName(r), func(t *testing.T) { r.run(t, i, m) })
		}
	}
	t.Run("rows", func(t *testing.T) {
		for i, r := range rows {
			if !r.alone {
				t.Run(faultName(r), func(t *testing.T) {
					t.Parallel()
					r.run(t, i, m)
				})
			}
		}
	})
}

// faultName is the row's name without what a subtest's name gives a meaning to.
func faultName(r faultRow) string { return strings.ReplaceAll(r.name, "/", " ") }

// faultLine is what became of a row.
type faultLine struct {
	name string
	// how says how the fault was seen to have happened.
	how                        []string
	code, message              string
	atOnce, later, sound, next string
	took                       time.Duration
	failed, skipped            bool
}

// matrix is the table that the test prints.
type matrix struct {
	mu    sync.Mutex
	lines []*faultLine
}

// fill keeps what became of a row.
func (m *matrix) fill(i int, l *faultLine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines[i] = l
}

// The widest cells of the table.
const (
	widestProof   = 90
	widestMessage = 150
)

func (m *matrix) table() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 1, ' ', 0)
	fmt.Fprintln(w, strings.Join([]string{
		"", "FAULT", "EXIT", "LEFT AT ONCE", "LEFT LATER", "REPOSITORY", "NEXT RUN", "TOOK", "IT HAPPENED", "MESSAGE",
	}, "\t"))
	for _, l := range m.lines {
		word := "ok"
		switch {
		case l.failed:
			word = "FAIL"
		case l.skipped:
			word = "skip"
		case l.took == 0:
			word = "-"
		}
		fmt.Fprintln(w, strings.Join([]string{
			word, l.name, l.code, l.atOnce, l.later, l.sound, l.next, l.took.Round(time.Second).String(),
			cut(strings.Join(l.how, "; "), widestProof), cut(l.message, widestMessage),
		}, "\t"))
	}
	_ = w.Flush() // a strings.Builder does not fail
	return text.String()
}

// cut makes a text one line of at most the length.
func cut(text string, length int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > length {
		return text[:length-3] + "..."
	}
	return text
}
