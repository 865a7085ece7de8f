package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHiddenFlagsOfASourceFile(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "cli.go")
	text := `package cli
func setup(app, cmd *app) {
	app.Flag("hidden-plain", "help").Hidden().BoolVar(nil)
	cmd.Flag("hidden-after-others", "help").Default("24h").Hidden().Envar(name("X")).DurationVar(nil)
	cmd.Flag("shown", "help").Short('s').StringVar(nil)
	app.Command("hidden-command", "help").Hidden()
	cmd.Flag(name("computed"), "help").Hidden().BoolVar(nil)
}
`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := hiddenNamesOf(source)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"hidden-plain", "hidden-after-others"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHelpLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line string
		want []string // short, negation, name, value, repeatable; nil: no flag
	}{
		"a switch":                                  {"      --[no-]json      Output", []string{"", "[no-]", "json", "", ""}},
		"a letter and a value":                      {"  -p, --password=PASSWORD  Repository password.", []string{"p", "", "password", "=PASSWORD", ""}},
		"a repeatable flag":                         {"      --tags=TAGS ...  Tags", []string{"", "", "tags", "=TAGS", " ..."}},
		"nothing after the flag":                    {"      --[no-]disable-file-logging", []string{"", "[no-]", "disable-file-logging", "", ""}},
		"a default with quotes":                     {`      --log-dir="/a/b"  Directory`, []string{"", "", "log-dir", `="/a/b"`, ""}},
		"a wrapped line, a switch without negation": {"      --help-long and --help-man", []string{"", "", "help-long", "", ""}},
		"a heading":                                 {"Flags:", nil},
		"an argument":                               {"  [<source>]  Files or directories", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := helpLine.FindStringSubmatch(test.line)
			if got != nil {
				got = got[1:]
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckTellsAStaleFile(t *testing.T) {
	t.Parallel()
	f := file{filepath.Join(t.TempDir(), "table.json"), map[string]int{"a": 1}}
	if err := f.put(true); !errors.Is(err, errStale) {
		t.Errorf("a missing file: %v", err)
	}
	if err := f.put(false); err != nil {
		t.Fatal(err)
	}
	if err := f.put(true); err != nil {
		t.Errorf("a fresh file: %v", err)
	}
	f.content = map[string]int{"a": 2}
	if err := f.put(true); !errors.Is(err, errStale) {
		t.Errorf("a stale file: %v", err)
	}
}
