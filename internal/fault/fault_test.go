package fault_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

func TestEveryKindHasItsDocumentedCode(t *testing.T) {
	t.Parallel()
	want := map[fault.Kind]fault.ExitCode{
		fault.Failed: 1, fault.Usage: 2, fault.Invalid: 3, fault.Incomplete: 4, fault.Refused: 5, fault.TimedOut: 6,
		fault.Repository: 7, fault.Leftover: 8, fault.Difference: 9, fault.Interrupt: 130, fault.Terminated: 143,
	}
	for kind, code := range want {
		if got := kind.ExitCode(); got != code {
			t.Errorf("%s: exit code %d, want %d", kind, got, code)
		}
	}
	if len(fault.Exits()) != len(want)+1 {
		t.Errorf("%d exit codes are documented, want %d and OK", len(fault.Exits()), len(want))
	}
}

func TestCodeOfFindsTheKindBehindWrapping(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err  error
		want fault.ExitCode
	}{
		"no error":                  {nil, 0},
		"a plain error":             {io.EOF, 1},
		"a fault":                   {fault.New(fault.Repository, "x"), 7},
		"a wrapped fault":           {fmt.Errorf("run: %w", fault.New(fault.Refused, "x")), 5},
		"a fault that wraps":        {fault.New(fault.TimedOut, "wait: %w", io.EOF), 6},
		"the worst of joined ones":  {errors.Join(fault.New(fault.Leftover, "x"), fault.New(fault.Refused, "x")), 5},
		"joined with a plain error": {errors.Join(io.EOF, fault.New(fault.Leftover, "x")), 1},
		"joined and wrapped":        {fmt.Errorf("run: %w", errors.Join(fault.New(fault.Leftover, "x"), io.EOF)), 1},
		"a fault around joined ones": {
			fault.New(fault.Refused, "wait: %w", errors.Join(io.EOF, fault.New(fault.Usage, "x"))), 5,
		},
	}
	for name, c := range cases {
		if got := fault.CodeOf(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestWorstFollowsTheDocumentedOrder(t *testing.T) {
	t.Parallel()
	order := []fault.ExitCode{3, 2, 143, 130, 1, 7, 6, 9, 4, 5, 8, 0}
	for i, worse := range order {
		for _, better := range order[i:] {
			if got := fault.Worst(better, worse); got != worse {
				t.Errorf("worst of %d and %d is %d", better, worse, got)
			}
		}
	}
	if got := fault.Worst(); got != fault.OK {
		t.Errorf("worst of nothing is %d", got)
	}
}

func TestReportPrintsWhatWhyAndFix(t *testing.T) {
	t.Parallel()
	err := errors.Join(
		fault.New(fault.Repository, "open repository: %w", io.ErrUnexpectedEOF).
			At(`secret "kopia-config" in "prod"`).WithWhy("the password is wrong").WithHint("check KOPIA_PASSWORD"),
		errors.New("second\nline"),
	)
	var b bytes.Buffer
	fault.Report(&b, err)
	want := `error: secret "kopia-config" in "prod": open repository: unexpected EOF
  why: the password is wrong
  fix: check KOPIA_PASSWORD
error: second
       line
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// What an error quotes is shown, and no terminal or runner acts upon it.
func TestReportIsPrintable(t *testing.T) {
	t.Parallel()
	err := fault.New(fault.Failed, "::open::\x1b[2J\n::error::x").At("\u202efile").WithWhy("\x07why").WithHint("\rfix\n##[error]x")
	var b bytes.Buffer
	fault.Report(&b, err)
	want := `error: \u202efile: ::open::\x1b[2J
       \x3a:error::x
  why: \awhy
  fix: \rfix
       \x23#[error]x
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
