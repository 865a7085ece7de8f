package suite

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The pages of docs/how-to are Markdown with hidden comments for the tests. Each
// stands right before the fenced block that it is about:
//
//	<!-- file: NAME -->         a block of YAML is this file of the reader's directory
//	<!-- pipeline: JOB... -->   and the scripts of these jobs are run, in this order
//	<!-- exit: 4 -->            the last command of a console block ends with this code; every other one with 0
//	<!-- killed at "TEXT": COMMAND -->   first COMMAND is run, and killed when it has printed TEXT
//	<!-- deleted: pods -->      first the movers' pods are deleted, without grace
//
// In a console block each line with "$ " is a command, and the lines below it
// are what it prints: they must all come, in this order; "..." stands for
// anything. What is in ~/testdata/howto/PAGE is what the reader already has:
// cluster.yaml in the cluster, the other files in the directory.

// step is one thing that a reader of a page does, or has had done to him.
type step struct {
	line int
	// file is a name, with its content in text.
	file, text string
	// jobs are those of a pipeline's file.
	jobs []string
	// command is run, and ends with code; shown are lines of what it prints.
	command string
	code    int
	shown   []string
	// killedAt is the text at which the command is killed.
	killedAt string
	// deletePods deletes the movers' pods.
	deletePods bool
}

var (
	directivePattern = regexp.MustCompile(`^<!-- (file|pipeline|exit|killed at "[^"]+"|deleted): (.+) -->$`)
	fencePattern     = regexp.MustCompile("^```([a-z]*)$")
	// inlinePattern finds a command in the prose, where nothing would run it; the name
	// of one is none.
	inlinePattern = regexp.MustCompile("`kubectl (volsync-kopia|[a-z-]+ [^`]*)")
)

// page is a page that is being read.
type page struct {
	t     testing.TB
	name  string
	line  int
	steps []step
	// directives are those since the last block.
	directives map[string]string
}

// readPage returns the steps of a page, and fails the test for whatever in it no
// test would run.
func readPage(t testing.TB, name string) []step {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t: t, name: name, directives: map[string]string{}}
	lines := strings.Split(string(text), "\n")
	for p.line < len(lines) {
		line := lines[p.line]
		p.line++
		switch directive, fence := directivePattern.FindStringSubmatch(line), fencePattern.FindStringSubmatch(line); {
		case directive != nil:
			p.directives[directive[1]] = directive[2]
		case fence != nil:
			body := p.body(lines)
			p.block(fence[1], body)
			p.line += len(body) + 1
			p.directives = map[string]string{}
		case strings.HasPrefix(line, "```"), strings.HasPrefix(line, "<!--"):
			p.fail("%q is nothing that the test knows", line)
		case inlinePattern.MatchString(line):
			p.fail("a command in the prose is run by no test; put it in a console block")
		case line != "" && len(p.directives) > 0:
			p.fail("a comment for the test stands before no block: %v", p.directives)
		}
	}
	return p.steps
}

// body is what stands between the fences.
func (p *page) body(lines []string) []string {
	p.t.Helper()
	for end := p.line; end < len(lines); end++ {
		if lines[end] == "```" {
			return lines[p.line:end]
		}
	}
	p.fail("the block has no end")
	return nil
}

func (p *page) block(language string, body []string) {
	p.t.Helper()
	for name, value := range p.directives {
		if at, ok := strings.CutPrefix(name, "killed at "); ok {
			p.steps = append(p.steps, step{line: p.line, command: value, killedAt: strings.Trim(at, `"`)})
		}
	}
	if p.directives["deleted"] != "" {
		p.steps = append(p.steps, step{line: p.line, deletePods: true})
	}
	switch language {
	case "yaml":
		if p.directives["file"] == "" {
			p.fail("the YAML is no file")
		}
		p.steps = append(p.steps, step{
			line: p.line, file: p.directives["file"], text: strings.Join(body, "\n") + "\n", jobs: strings.Fields(p.directives["pipeline"]),
		})
	case "console":
		p.console(body)
	default:
		p.fail("a block of %q is neither a file (yaml) nor run (console)", language)
	}
}

// console adds the commands of a block with what they print.
func (p *page) console(body []string) {
	p.t.Helper()
	first := len(p.steps)
	continued := false
	for i, line := range body {
		text, isCommand := strings.CutPrefix(line, "$ ")
		switch last := len(p.steps) - 1; {
		case isCommand:
			p.steps = append(p.steps, step{line: p.line + 1 + i, command: text})
			continued = strings.HasSuffix(text, `\`)
		case last < first:
			p.fail("a console block begins with a command")
		case continued:
			p.steps[last].command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		case strings.TrimSpace(line) != "":
			p.steps[last].shown = append(p.steps[last].shown, line)
		}
	}
	if code := p.directives["exit"]; code != "" {
		var err error
		if p.steps[len(p.steps)-1].code, err = strconv.Atoi(code); err != nil {
			p.fail("exit code: %v", err)
		}
	}
}

func (p *page) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s:%d: "+format, append([]any{p.name, p.line}, args...)...)
}

// TestHowToCommandsInProseAreFound: nothing would run them.
func TestHowToCommandsInProseAreFound(t *testing.T) {
	t.Parallel()
	for text, is := range map[string]bool{
		"run `kubectl volsync-kopia status` then":           true,
		"(`kubectl create token backup-ci -n prod`)":        true,
		"until `kubectl create clusterrolebinding NAME \\":  true,
		"with what you have for that (`kubectl cp`, mount)": false,
		"as kubectl does, with `--flag`":                    false,
	} {
		if inlinePattern.MatchString(text) != is {
			t.Errorf("%s: a command is found: %v", text, !is)
		}
	}
}
