package argv

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// FuzzClassify states what holds for any arguments: no panic; the same answer
// twice; every entry in exactly one Argument, in order; only flags that are
// allowed and exist reach kopia, each in one piece that starts with "--"; and
// an error whenever something was neither passed, translated nor left out.
func FuzzClassify(f *testing.F) {
	for _, seed := range []string{
		"--parallel=16", "--parallel\n16", "--password\nhunter2", "-phunter2", "--", "", "--ignore\n*.log\n--fail-fast",
		"--tags=a:b\n--tags=volsync-kopia-run:x", "--no-progress\n--progress", "--block-size=4MB", "--=x", "-", "--no-", "--\x00", "-\xff",
	} {
		f.Add(seed, true, uint8(0))
	}
	var tables []*Table
	for _, version := range Versions() {
		tables = append(tables, TableFor(version))
	}
	f.Fuzz(func(t *testing.T, text string, backup bool, which uint8) {
		args := strings.Split(text, "\n")
		table := tables[int(which)%len(tables)]
		o := Options{Operation: result.OperationRestore}
		if backup {
			o.Operation = result.OperationBackup
		}
		got := Classify(args, table, o)
		if diff := cmp.Diff(got, Classify(args, table, o)); diff != "" {
			t.Fatalf("two answers:\n%s", diff)
		}
		next, refused := 0, false
		for _, a := range got.Arguments {
			if a.Index != next || a.Entries < 1 {
				t.Fatalf("argument at %d, expected at %d", a.Index, next)
			}
			next += a.Entries
			refused = refused || a.Class == Forbidden || a.Class == Unknown || a.Class == Invalid
		}
		if next != len(args) {
			t.Fatalf("%d of %d entries judged", next, len(args))
		}
		if refused != got.Problems.HasErrors() {
			t.Fatalf("refused %v, problems %+v", refused, got.Problems)
		}
		checkPass(t, got.Pass, table, o.Operation)
	})
}

// checkPass reads the arguments again, by the rule of kopia's own parser.
func checkPass(t *testing.T, pass []string, table *Table, op result.Operation) {
	t.Helper()
	command := CommandSnapshotCreate
	if op == result.OperationRestore {
		command = CommandSnapshotRestore
	}
	for _, arg := range pass {
		rest, ok := strings.CutPrefix(arg, "--")
		name, _, valued := strings.Cut(rest, "=")
		flag, known := table.Lookup(command, name)
		if base, negated := strings.CutPrefix(name, "no-"); !known && negated {
			name = base
			flag, known = table.Lookup(command, base)
			known = known && flag.Kind == KindBool
		}
		if !ok || !known || !slices.Contains(mayPass(op), name) || valued == (flag.Kind == KindBool) || strings.ContainsRune(arg, 0) {
			t.Fatalf("%q reaches kopia", arg)
		}
	}
}

// TestAnyTextArrivesWhole is about the characters at which the original mover
// cut arguments, and those that a shell would change.
func TestAnyTextArrivesWhole(t *testing.T) {
	t.Parallel()
	const alphabet = "|VOLSYNC_ARGSEP |VOLSYNC_ARG_SEP|\"'`$\\\n\t=:-;&*é漢"
	letters := []rune(alphabet)
	table := TableFor(DefaultVersion)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text := make([]rune, 1+random.IntN(24))
		for i := range text {
			text[i] = letters[random.IntN(len(letters))]
		}
		value := string(text)
		got := Classify([]string{"--description=" + value, "--tags=key:" + value, "--ignore=" + value}, table, Options{})
		if want := []string{"--description=" + value, "--tags=key:" + value}; !slices.Equal(got.Pass, want) {
			t.Fatalf("passed %q, want %q", got.Pass, want)
		}
		var layer struct{ Files struct{ Ignore []string } }
		if len(got.Layers) != 1 || json.Unmarshal(got.Layers[0].Policy, &layer) != nil || !slices.Equal(layer.Files.Ignore, []string{value}) {
			t.Fatalf("%q became %s", value, got.Layers)
		}
	}
}
