package suite

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// names are what a page's reader has under another name: its namespace, and the
// ids of the runs and snapshots that the page shows.
type names map[string]string

// variable is a part of a shown line that differs from run to run.
var variable = regexp.MustCompile(strings.Join([]string{
	`(?P<run>\b\d{8}-\d{4}-[a-z0-9]{5}\b)`, `(?P<snapshot>\b[0-9a-f]{32}\b)`, `(?P<object>-[0-9a-f]{10}(-[a-z0-9]{5})*\b)`,
	`(?P<time>\b\d{4}-\d\d-\d\dT[0-9:.]+Z)`, `(?P<took>\b(\d+(\.\d+)?(ms|s|m|h|d))+\b)`, `(?P<version>\bv\d+\.\d+\.\d+\b)`,
	`(?P<step>^ +\d+ )`, `(?P<any>\.\.\.)`, `(?P<space>\s+)`,
}, "|"))

// matching are what such parts match.
var matching = map[string]string{
	"run": `(\d{8}-\d{4}-[a-z0-9]{5})`, "snapshot": `([0-9a-f]{32})`, "object": `-[0-9a-f]{10}(?:-[a-z0-9]{5})*`,
	"time": `\S+Z`, "took": `[0-9a-z.]+`, "version": `v[0-9.]+`, "step": `\s*\d+ `, "any": `.*`, "space": `\s+`,
}

// pattern is the shown line as an expression. ids are the ids of the page whose
// counterparts it captures.
func (n names) pattern(shown string) (p *regexp.Regexp, ids []string) {
	var b strings.Builder
	at := 0
	for _, m := range variable.FindAllStringSubmatchIndex(shown, -1) {
		b.WriteString(regexp.QuoteMeta(n.in(shown[at:m[0]])))
		at = m[1]
		for i, kind := range variable.SubexpNames() {
			if kind == "" || m[2*i] < 0 {
				continue
			}
			id := shown[m[0]:m[1]]
			switch known := n[id]; {
			case known != "":
				b.WriteString(regexp.QuoteMeta(known))
			default:
				b.WriteString(matching[kind])
				if kind == "run" || kind == "snapshot" {
					ids = append(ids, id)
				}
			}
		}
	}
	b.WriteString(regexp.QuoteMeta(n.in(shown[at:])))
	return regexp.MustCompile(`^\s*` + b.String() + `\s*$`), ids
}

// learn matches a shown line with a printed one and notes the ids.
func (n names) learn(shown, printed string) bool {
	p, ids := n.pattern(strings.TrimSpace(shown))
	if strings.HasPrefix(shown, " ") { // the number of a step, if it is one
		p, ids = n.pattern(shown)
	}
	found := p.FindStringSubmatch(printed)
	if found == nil {
		return false
	}
	for i, id := range ids {
		n[id] = found[i+1]
		if run := strings.Split(id, "-"); len(run) == 3 { // its last five characters name it, too
			n[run[2]] = found[i+1][len(found[i+1])-len(run[2]):]
		}
	}
	return true
}

// expect matches the shown lines, in their order, with what was printed.
func (n names) expect(shown []string, printed string) error {
	rest := strings.Split(printed, "\n")
next:
	for _, line := range shown {
		for i := range rest {
			if n.learn(line, rest[i]) {
				rest = rest[i+1:]
				continue next
			}
		}
		return fmt.Errorf("the page shows this line, and it did not come, or not here: %s", line)
	}
	return nil
}

// in puts this reader's names for the page's into a text.
func (n names) in(text string) string {
	return regexp.MustCompile(`[0-9a-z-]+`).ReplaceAllStringFunc(text, func(word string) string {
		if own := n[word]; own != "" {
			return own
		}
		return word
	})
}

// TestHowToShownLinesMustCome is what keeps the pages' output true.
func TestHowToShownLinesMustCome(t *testing.T) {
	t.Parallel()
	const printed = "RUN                   STATE\n20261124-0256-5o4nl   Running\n" +
		"  12 exec pod/a at most 1m30s\nsnapshot c9a48d4f6821bd9b10f411087148c086 of 3 files in 2.5s\nrun 20261124-0256-5o4nl\n"
	for _, c := range []struct {
		name  string
		shown []string
		come  bool
	}{
		{"other ids, times and columns", []string{"RUN STATE", "20260101-0000-x7k2q  Running", "snapshot 00000000000000000000000000000000 of 3 files in 1m3s"}, true},
		{"another number of a step", []string{"   4 exec pod/a at most 5m"}, true},
		{"the same id twice", []string{"20260101-0000-x7k2q  Running", "run 20260101-0000-x7k2q"}, true},
		{"a cut line", []string{"snapshot ... in 1s"}, true},
		{"another word", []string{"20260101-0000-x7k2q  Collected"}, false},
		{"another count", []string{"snapshot 00000000000000000000000000000000 of 4 files in 2.5s"}, false},
		{"a part of a line", []string{"exec pod/a"}, false},
		{"another order", []string{"run 20260101-0000-x7k2q", "RUN STATE"}, false},
		{"one line shown twice", []string{"RUN STATE", "RUN STATE"}, false},
	} {
		if err := (names{}).expect(c.shown, printed); (err == nil) != c.come {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := (names{"20260101-0000-x7k2q": "20261124-0256-other"}).expect([]string{"run 20260101-0000-x7k2q"}, printed); err == nil {
		t.Error("the id of another run was taken for this one's")
	}
	n := names{}
	if err := n.expect([]string{"run 20260101-0000-x7k2q"}, printed); err != nil || n.in("runs show x7k2q -n prod") != "runs show 5o4nl -n prod" {
		t.Errorf("%v, %v", err, n)
	}
}
