package cmd

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// hostileName is one that nobody should give a file, and anybody can.
const hostileName = "e\x1b[2J\n::error::\u202ex"

// Whoever names a file, an object or a snapshot's tag writes nothing but its name.
func TestWhatPeopleAreShownIsPrintable(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{hostileName + ".yaml": "a: [", "sub/" + hostileName + "/x.txt": "x"})
	now, object := time.Unix(1e9, 0), result.ObjectRef{Kind: "ReplicationSource", Namespace: "prod", Name: hostileName}
	manifest := strings.Replace(validateGood, "repository: kopia-config", `repository: "e\e[2J\n::error::\u202ex"`, 1)
	for what, got := range map[string]string{
		"a file that is missing":     validateWith(nil, "", "-f", "no/"+hostileName).errOut,
		"a directory without a file": validateWith(nil, "", "-f", filepath.Join(dir, "sub", hostileName)).errOut,
		"a directory that is none":   validateWith(nil, "", "-k", "no/"+hostileName).errOut,
		"a file in a directory":      validateWith(nil, "", "-f", dir).out,
		"a name in a manifest":       validateWith(nil, manifest, "-f", "-").out,
		"a flag":                     validateWith(nil, "", "-f", "-", "-o", hostileName).errOut,
		"a document in columns":      shownColumns(t, map[string]any{"items": []any{map[string]any{"a": hostileName, "b": "\t"}}}),
		"the list of snapshots": wrote(t, func(w io.Writer) error {
			return writeSnapshots(w, []result.Snapshot{{ID: "a", Pins: []string{hostileName}}}, false, false)
		}),
		"the list of runs": wrote(t, func(w io.Writer) error { return writeRuns(w, []k8s.Run{{ID: hostileName}}, now, true) }),
		"the list of schedules": wrote(t, func(w io.Writer) error {
			return writeSchedules(w, []scheduleRow{{Schedule: hostileName}}, true)
		}),
		"the status":  wrote(t, func(w io.Writer) error { return writeStandings(w, []standing{{Object: object}}, now, true) }),
		"a diagnosis": wrote(t, func(w io.Writer) error { return writeDiagnoses(w, []diagnosis{{Object: object}}, 1, 0) }),
		"a check": wrote(t, func(w io.Writer) error {
			return check{Status: checkFailed, About: aboutStorage, Message: hostileName, Fix: hostileName}.write(w)
		}),
		"a verdict": wrote(t, func(w io.Writer) error {
			return writeVerdict(w, &verdict{result: &result.Result{Outcome: result.Succeeded, Message: hostileName}})
		}),
		"a start": wrote(t, func(w io.Writer) error {
			return writeVerdict(w, &verdict{started: &result.Event{Message: hostileName}})
		}),
		"a note":    said(func(f *Factory) { f.note("%s", hostileName) }),
		"a warning": said(func(f *Factory) { f.warning(hostileName) }),
		"a remnant": said(func(f *Factory) { f.printf("%s", hostileName) }),
		"a line":    said(func(f *Factory) { f.say("%s", hostileName) }),
	} {
		if strings.ContainsAny(got, "\x1b\u202e") || strings.Contains(got, "\n::error") {
			t.Errorf("%s is shown as it is: %q", what, got)
		}
		if !strings.Contains(got, `e\x1b[2J`) || !strings.Contains(got, `error::\u202ex`) {
			t.Errorf("%s is not shown: %q", what, got)
		}
	}
}

// A line break in a file's name does not end the line of the message that names it.
func TestTheNameOfAFileIsOneLine(t *testing.T) {
	t.Parallel()
	dir := writeInputs(t, map[string]string{hostileName + ".yaml": "a: [", "sub/" + hostileName + "/x.txt": "x"})
	for what, got := range map[string]string{
		"a file that is missing":     validateWith(nil, "", "-f", "no/"+hostileName).errOut,
		"a directory without a file": validateWith(nil, "", "-f", filepath.Join(dir, "sub", hostileName)).errOut,
		"a file in a directory":      validateWith(nil, "", "-f", dir).out,
	} {
		if want := `e\x1b[2J\n::error::\u202ex`; !strings.Contains(got, want) {
			t.Errorf("%s: there is no %q in %q", what, want, got)
		}
	}
}

// A cell with a tab would be two, one with a line break two rows.
func TestACellIsOneCell(t *testing.T) {
	t.Parallel()
	got := shownColumns(t, map[string]any{"items": []any{map[string]any{"a": hostileName + "\tz", "b": "\t"}}})
	_, row, _ := strings.Cut(got, "\n")
	if want := `e\x1b[2J\n::error::\u202ex\tz   \t` + "\n"; row != want {
		t.Errorf("got %q, want %q", row, want)
	}
}

func shownColumns(t *testing.T, document any) string {
	t.Helper()
	p, err := columnsPrinter("A:.a,B:.b")
	return wrote(t, func(w io.Writer) error { return errors.Join(err, p(w, document, nil)) })
}

func wrote(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var out strings.Builder
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// said is what the factory's methods write to both of its streams.
func said(say func(*Factory)) string {
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	say(NewFactory(streams))
	return out.String() + errOut.String()
}
