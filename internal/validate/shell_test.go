package validate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProgramsOfAScript(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		script string
		want   string
	}{
		"one command":                              {"pg_dump app", "pg_dump"},
		"a pipe and lists":                         {"a | b && c || d; e & f", "a b c d e f"},
		"assignments and redirections in front":    {"A=1 B='x y' >out 2>&1 prog arg", "prog"},
		"comments are no commands":                 {"# pg_dump\nreal # mysql", "real"},
		"quotes are words":                         {`echo "mysql; psql" 'kubectl | x'`, "echo"},
		"a command in a text is found":             {`echo "at $(date -u)" "` + "`whoami`" + `"`, "date whoami echo"},
		"an expansion is not a program":            {`$CMD x; ${CMD:-y} z; "$X"/run`, ""},
		"arithmetic starts nothing":                {"echo $((1 + two)); x=$((y))", "echo"},
		"reserved words":                           {"if test -f x; then a; elif b; then c; else d; fi; while e; do f; done; ! g", "test a b c d e f g"},
		"words of a for loop":                      {"for db in one two; do dump $db; done", "dump"},
		"patterns of a case":                       {"case $x in\n  start|begin) up ;;\n  *) down ;;\nesac", "up down"},
		"a subshell and a group":                   {"(cd /data && first); { second; }", "cd first second"},
		"a here-document is data":                  {"psql app <<EOF\nselect 1;\nkubectl x\nEOF\nafter", "psql after"},
		"a here-document with tabs":                {"cat <<-'END'\n\tmysql\n\tEND\nafter", "cat after"},
		"wrappers start what they are given":       {"exec nohup timeout -k 5 10 kubectl get; env A=1 B=2 mysql; x | xargs -n1 curl", "exec nohup timeout kubectl env mysql x xargs curl"},
		"a path of the system is a program":        {"/usr/bin/pg_dump x", "pg_dump"},
		"a path of the volume is a script":         {"/data/hooks/run.sh; ./x; ../y", ""},
		"a program that the script looks for":      {"command -v pg_dump && pg_dump; which mysql; mysql", "command which"},
		"functions of the script":                  {"say() { echo x; }\nfunction other { true; }\nsay; other", "echo true"},
		"each program once":                        {"a; a; a", "a"},
		"line continuation":                        {"tar \\\n  -c \\\n  x", "tar"},
		"a process substitution":                   {"diff <(sort a) <(kubectl get)", "sort kubectl diff"},
		"an unclosed quote and substitution end":   {`echo "a $(b`, "b echo"},
		"a number in front of a redirection":       {"make 2>/dev/null; sort <in", "make sort"},
		"a conditional expression is no program":   {"[[ -f x ]] && go", "go"},
		"a carriage return does not join the name": {"kubectl\r\nmail\r\n", "kubectl mail"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range programsOf(c.script) {
				got = append(got, p.name)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("programs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingProgramsStandWhereTheyAre(t *testing.T) {
	t.Parallel()
	got := missingPrograms("#!/bin/sh\nset -e\n  date | mail -s x\nü; kubectl get\n")
	want := []program{{"mail", 3, 10}, {"kubectl", 4, 4}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(program{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnInterpreterThatTheImageLacksIsTheMissingProgram(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"#!/usr/bin/python3\nimport x":          "python3",
		"#!/usr/bin/env -S perl -w\nmysql x":    "perl",
		"#!/usr/bin/env bash\nmysql x":          "mysql",
		"#!/usr/bin/env -S kopia repository":    "",
		"#!\nmysql":                             "",
		"#! /bin/sh -e\necho a":                 "",
		"no-shebang; #!/usr/bin/python3\nmysql": "no-shebang mysql",
	} {
		var got []string
		for _, p := range missingPrograms(script) {
			got = append(got, p.name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %v, want %q", script, got, want)
		}
	}
}

// The image has bash, coreutils, kopia and this program, and nothing that a
// distribution brings along besides.
func TestWhatTheImageHas(t *testing.T) {
	t.Parallel()
	got := missingPrograms("cd /data && sort x | tee y; kopia snapshot list; bash z; ls | grep a | sed b | awk c\nfind . | xargs tar -c | gzip; hostname; which x; zcat y")
	var names []string
	for _, p := range got {
		names = append(names, p.name)
	}
	if diff := cmp.Diff("grep sed awk find xargs tar gzip hostname which zcat", strings.Join(names, " ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A substitution inside backquotes has its own end: a backquote in it begins
// another one. Reading it used to stop at that backquote and never go on.
func TestReadingAScriptEnds(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"`$(`":                "",
		"`a $(b `c`) d`; e":   "a b c e",
		"\"`$(x`":             "",
		"`a <(b `c`)`; d":     "a b c d",
		"`<`; `2>`; `(`; `a)": "a",
	} {
		done := make(chan string, 1)
		go func() {
			var names []string
			for _, p := range programsOf(script) {
				names = append(names, p.name)
			}
			slices.Sort(names)
			done <- strings.Join(names, " ")
		}()
		select {
		case got := <-done:
			if got != want {
				t.Errorf("%q: programs %q, want %q", script, got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%q: not read within 5 seconds", script)
		}
	}
}

func TestAHugeScriptIsReadInNoTime(t *testing.T) {
	t.Parallel()
	const size = 200_000
	for _, piece := range []string{"$(", "`", "${", "a <<E\n", "((", "case x in a) ", "\"", "\\"} {
		script := strings.Repeat(piece, size)
		if n := len(programsOf(script)); n > maxPrograms {
			t.Errorf("%q: %d programs", piece, n)
		}
	}
}

// Whatever the text, reading it ends, and each program stands where it says.
func FuzzProgramsOf(f *testing.F) {
	for _, seed := range []string{"a | b", "$(a `b` \"$(c", "case x in a) b;; esac", "cat <<E\nx\nE\n", "((", "<(", "\\", "a <<", "x <<A <<B\nA\nB\n", "${", "2>", ")", "`$(`", "`a $(b `c`"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script string) {
		lines := strings.Split(string([]rune(script)), "\n")
		for _, p := range programsOf(script) {
			if p.line < 1 || p.line > len(lines) || p.column < 1 || p.column > len([]rune(lines[p.line-1])) {
				t.Errorf("%+v is outside %q", p, script)
			}
		}
	})
}
