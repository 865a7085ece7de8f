package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// seen keeps what a display would show.
type seen []string

func (s *seen) Observe(e result.Event) {
	text := e.Message
	if e.Warning != nil {
		text = e.Warning.Code + " " + e.Warning.Message
	}
	*s = append(*s, string(e.Type)+": "+text)
}

func TestWarningsOfThePlanAreShownOnce(t *testing.T) {
	t.Parallel()
	warning := func(code string) problem.Problem {
		return problem.Problem{Code: code, Severity: problem.Warning, Message: "about " + code, Fix: "mend " + code}
	}
	shown, choice := warning("VK125"), warning("VK318")
	choice.Severity = problem.Info
	input := &manifests{problems: problem.List{shown}}
	p := plan.Plan{
		Findings: problem.List{shown, warning("VK510"), warning("VK514"), choice},
		Task:     &result.Task{Warnings: []result.Warning{{Code: "VK514", Message: "about VK514"}}},
	}
	for mode, want := range map[string]struct {
		events seen
		lines  []string
	}{
		"plain": {seen{"log: WARNING: VK510 about VK510; fix: mend VK510", "warning: VK510 about VK510"}, nil},
		"none":  {nil, []string{"VK510  about VK510", "fix: mend VK510", "VK514  about VK514", "fix: mend VK514"}},
	} {
		streams, _, _, errOut := genericiooptions.NewTestIOStreams()
		f := NewFactory(streams)
		f.Now = func() time.Time { return time.Unix(0, 0) }
		var events seen
		if err := (&runFlags{planFlags: planFlags{progress: mode}}).warnOf(f, input, &spec.Document{}, p, &events); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.events, events); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", mode, diff)
		}
		text := errOut.String()
		for _, line := range want.lines {
			if !strings.Contains(text, line) {
				t.Errorf("%s: %q is not in\n%s", mode, line, text)
			}
		}
		if strings.Contains(text, "VK125") || strings.Contains(text, "VK318") || (want.lines == nil && text != "") {
			t.Errorf("%s: printed\n%s", mode, text)
		}
	}
}
