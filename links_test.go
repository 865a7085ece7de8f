package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	linkPattern    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headingPattern = regexp.MustCompile(`^#{1,6} (.+)$`)
	codePattern    = regexp.MustCompile("`[^`]*`")
	// droppedPattern is what an anchor leaves out of its heading.
	droppedPattern = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks keeps the links between the Markdown pages of the repository: each
// file exists, and each anchor is a heading. Web addresses are not looked at.
func TestLinks(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range markdownPages(t) {
		for _, target := range linksOf(prose(t, page)) {
			if strings.Contains(target, "://") {
				continue
			}
			links++
			if why := broken(t, page, target); why != "" {
				t.Errorf("%s links to %s: %s", page, target, why)
			}
		}
	}
	if links == 0 {
		t.Error("no links were found")
	}
}

// TestAnchors compares the anchors of headings with the ones that GitHub makes.
func TestAnchors(t *testing.T) {
	t.Parallel()
	for heading, want := range map[string]string{
		"1: out of memory":                    "1-out-of-memory",
		"VK542: After hook failed or late":    "vk542-after-hook-failed-or-late",
		"What a script may rely on?":          "what-a-script-may-rely-on",
		"`plan`, and *its* [facts](facts.md)": "plan-and-its-facts",
	} {
		if got := anchor(heading); got != want {
			t.Errorf("%q has the anchor %q, want %q", heading, got, want)
		}
	}
	if got := anchorsOf([]string{"# Fix", "## Fix"}); !got["fix"] || !got["fix-1"] {
		t.Errorf("the anchors of two equal headings are %v", got)
	}
}

// markdownPages are the pages of the repository, without those of hidden and
// ignored directories.
func markdownPages(t *testing.T) []string {
	t.Helper()
	var pages []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || name == "bin" || name == "dist") {
			return filepath.SkipDir
		}
		if filepath.Ext(name) == ".md" {
			pages = append(pages, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// prose returns the lines of a page that stand outside fenced blocks.
func prose(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		} else if !fenced {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func linksOf(lines []string) []string {
	var targets []string
	for _, line := range lines {
		for _, m := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line, "code"), -1) {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// broken says what is wrong with a relative link, or "".
func broken(t *testing.T, page, target string) string {
	t.Helper()
	file, fragment, _ := strings.Cut(target, "#")
	name := page
	if file != "" {
		name = path.Join(path.Dir(page), file)
	}
	if _, err := os.Stat(name); err != nil {
		return err.Error()
	}
	if fragment != "" && !anchorsOf(prose(t, name))[fragment] {
		return name + " has no such heading"
	}
	return ""
}

// anchorsOf are the anchors of the headings among the lines.
func anchorsOf(lines []string) map[string]bool {
	anchors := map[string]bool{}
	for _, line := range lines {
		m := headingPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		first := anchor(m[1])
		name := first
		for n := 1; anchors[name]; n++ {
			name = first + "-" + strconv.Itoa(n)
		}
		anchors[name] = true
	}
	return anchors
}

// anchor is the anchor that GitHub gives a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.ReplaceAll(droppedPattern.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}
