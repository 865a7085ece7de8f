package printable_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/printable"
)

func TestTextEscapesWhatATerminalWouldActUpon(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "",
		"plain, äöü 日本 \u00a0 🙂 \\x1b":      "plain, äöü 日本 \u00a0 🙂 \\x1b",
		"two\n\tlines":                      "two\n\tlines",
		"esc\x1b[2J\x1b]0;title\x07x":       `esc\x1b[2J\x1b]0;title\ax`,
		"back\b\x7f\x00\r\v\f":              `back\b\x7f\x00\r\v\f`,
		"eight bits \u009b2J \u0085":        `eight bits \u009b2J \u0085`,
		"not UTF-8 \x9b2J\xff":              `not UTF-8 \x9b2J\xff`,
		"replaced \ufffd":                   "replaced \ufffd",
		"replaced \ufffd and \x1b":          "replaced \ufffd" + ` and \x1b`,
		"lines \u2028 \u2029":               `lines \u2028 \u2029`,
		"gpj.\u202eexe\u202c \u2066x\u2069": `gpj.\u202eexe\u202c \u2066x\u2069`,
		"tag \U000e0041":                    `tag \U000e0041`,
	} {
		if got := printable.Text(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestTextHoldsNoCommandOfARunner(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"::error file=x::PWNED":          `\x3a:error file=x::PWNED`,
		"a\n  ::add-mask::b\n::notice::": "a\n" + `  \x3a:add-mask::b` + "\n" + `\x3a:notice::`,
		"\u3000::error::x":               "\u3000" + `\x3a:error::x`,
		":::error::x":                    `\x3a::error::x`,
		"::1 does not answer":            "::1 does not answer",
		"std::vector::at":                "std::vector::at",
		"x ##[error]y":                   `x \x23#[error]y`,
		"x ##vso[task.setvariable]y":     `x \x23#vso[task.setvariable]y`,
		"###[error]y":                    `#\x23#[error]y`,
		"## a heading [link]":            "## a heading [link]",
	} {
		if got := printable.Text(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestLineIsOneLineAndRowHasItsCells(t *testing.T) {
	t.Parallel()
	const name = "evil\n::error\tfile=x::PWNED\x1b"
	if got, want := printable.Line(name), `evil\n::error`+"\t"+`file=x::PWNED\x1b`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := printable.Row("::a", name, "", "z::"), `\x3a:a`+"\t"+`evil\n::error\tfile=x::PWNED\x1b`+"\t\tz::"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// command is what GitHub's and Azure's runners look for, as they do: blanks before it
// are trimmed.
var command = regexp.MustCompile(`(?m)^[\s\p{Z}]*::.*::|##\w*\[`)

// FuzzPrintable: whatever the text, nothing of what comes out is acted upon, and what is
// safe already stays as it is.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{
		"a", "\x1b[2J", "\u202e", "\x9b", "::error::x", "\n ::x::\n", "##[x]", "###[x]", "####vso[", "a\r\n::x::", "\u2028::x::", ":\x1b::x::", "#\x00#[",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for form, show := range map[string]func(string) string{
			"Text": printable.Text, "Line": printable.Line, "Row": func(s string) string { return printable.Row(s) },
		} {
			keep := map[string]string{"Text": "\n\t", "Line": "\t"}[form]
			got := show(s)
			if !utf8.ValidString(got) {
				t.Errorf("%s(%q) = %q is not UTF-8", form, s, got)
			}
			for _, r := range got {
				control := unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
				if control && !strings.ContainsRune(keep, r) {
					t.Errorf("%s(%q) = %q holds %U", form, s, got, r)
				}
			}
			if command.MatchString(got) {
				t.Errorf("%s(%q) = %q holds a runner's command", form, s, got)
			}
			if again := show(got); again != got {
				t.Errorf("%s of %q is %q", form, got, again)
			}
		}
	})
}
