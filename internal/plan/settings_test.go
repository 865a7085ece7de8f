package plan_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/validate"
)

// textOf is the plan as people see it.
func textOf(t *testing.T, p plan.Plan) string {
	t.Helper()
	var text bytes.Buffer
	if err := p.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestNoSettingOfASecretIsShown(t *testing.T) {
	t.Parallel()
	in := load(t, "local-settings")
	p, _ := plan.BuildBackup(in)
	data, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"7654321", "7.7 MB", "7m13s", "CHACHA20", "FIXED-8M"} {
		if strings.Contains(textOf(t, p), value) || strings.Contains(string(data), value) {
			t.Errorf("the plan shows %s, which only the Secret says", value)
		}
	}
	var names []string
	for _, s := range p.Settings.Values {
		if !s.Sensitive {
			t.Errorf("%+v is not marked as a Secret's", s)
		}
		names = append(names, s.Name)
	}
	want := []string{"uploadSpeed", "enableActions", "actionCommandTimeout", "encryptionAlgorithm", "splitter"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestCreationIsShownWhereItMayHappen(t *testing.T) {
	t.Parallel()
	synced := func(in *plan.Input, mode result.CreateMode) {
		in.Options.CreateRepository = mode
		in.Facts.History = &plan.History{LastFiles: new(int64(1))}
	}
	for what, c := range map[string]struct {
		alter func(*plan.Input)
		shown bool
	}{
		"automatic, never backed up":    {func(*plan.Input) {}, true},
		"automatic, backed up before":   {func(in *plan.Input) { synced(in, result.CreateAuto) }, false},
		"always, also backed up before": {func(in *plan.Input) { synced(in, result.CreateAlways) }, true},
		"never":                         {func(in *plan.Input) { in.Options.CreateRepository = result.CreateNever }, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "settings")
			c.alter(&in)
			p, _ := plan.BuildBackup(in)
			ofCreation := func(s plan.Setting) bool { return s.Name == "encryptionAlgorithm" }
			manual := func(s string) bool { return strings.Contains(s, "KOPIA_MANUAL_CONFIG") }
			if slices.ContainsFunc(p.Settings.Values, ofCreation) != c.shown || slices.ContainsFunc(p.Settings.Unread, manual) != c.shown {
				t.Errorf("shown %v, want %v: %+v", !c.shown, c.shown, p.Settings)
			}
		})
	}
}

func TestTheMaintenanceScheduleIsShownAlways(t *testing.T) {
	t.Parallel()
	in := load(t, "settings")
	known := &result.MaintenanceSet{Repository: "id", Schedule: "--full-interval=2h0m0s"}
	in.Facts.History = &plan.History{LastFiles: new(int64(1)), Maintenance: known}
	text := `{"maintenance": {"enabled": true, "fullCycle": {"interval": "12h"}}}`
	in.Document.Source.Spec.Kopia.PolicyConfig = &spec.PolicyConfig{RepositoryConfig: &text}
	p, _ := plan.BuildBackup(in)
	const from, when = "policyConfig.repositoryConfig", "unless an earlier run has set it"
	want := []plan.Setting{
		{Name: "downloadSpeed", Value: "20000000", From: "spec.kopia.additionalArgs"},
		{Name: "maintenance.enabled", Value: "true", From: from, When: when},
		{Name: "maintenance.fullCycle.interval", Value: "12h", From: from, When: when},
	}
	if diff := cmp.Diff(want, p.Settings.Values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p.Task.Repository.Maintenance != known {
		t.Errorf("the mover is told of %+v", p.Task.Repository.Maintenance)
	}
}

func TestAReadingPlanShowsItsLimitsOnly(t *testing.T) {
	t.Parallel()
	p, findings := plan.BuildRead(load(t, "local-files"), result.Task{Operation: result.OperationList, List: &result.ListTask{}})
	want := plan.Settings{Values: []plan.Setting{{Name: "uploadSpeed", Value: "10485760", From: "repository.config"}}}
	if diff := cmp.Diff(want, p.Settings); diff != "" || p.Actions != nil {
		t.Errorf("(-want +got):\n%s\nactions %+v, %v", diff, p.Actions, findings)
	}
}

func TestWhatDecidesAboutActions(t *testing.T) {
	t.Parallel()
	structured := func(text string) change {
		return func(_ *plan.Input, k *spec.KopiaSource) { k.PolicyConfig.RepositoryConfig = &text }
	}
	const file = "secret/policies, key settings.json"
	for what, c := range map[string]struct {
		alter change
		want  plan.Actions
	}{
		"a Secret that is not read may": {func(*plan.Input, *spec.KopiaSource) {}, plan.Actions{
			Timeout: result.Duration(5 * time.Minute), Unread: file,
		}},
		"the caller's limit is used":     {func(in *plan.Input, _ *spec.KopiaSource) { in.Options.Timeouts.Action = 7 }, plan.Actions{Timeout: 7, Unread: file}},
		"no limit is the documented one": {func(in *plan.Input, _ *spec.KopiaSource) { in.Options.Timeouts.Action = 0 }, plan.Actions{Timeout: result.DefaultActionTimeout, Unread: file}},
		"the inline configuration leaves the limit open": {structured(`{"enableActions": true}`), plan.Actions{
			Timeout: result.Duration(5 * time.Minute), Unread: file,
		}},
		"the inline configuration leaves the switch open": {structured(`{"actionCommandTimeout": "1m"}`), plan.Actions{
			Timeout: result.Duration(time.Minute), Unread: file,
		}},
		"the inline configuration has the last word": {structured(`{"enableActions": true, "actionCommandTimeout": "1m"}`), plan.Actions{
			Timeout: result.Duration(time.Minute),
		}},
		"the inline configuration turns them off": {structured(`{"enableActions": false}`), plan.Actions{
			Off: "policyConfig.repositoryConfig turns them off (enableActions)",
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			in := load(t, "actions-unread")
			c.alter(&in, in.Document.Source.Spec.Kopia)
			p, findings := plan.BuildBackup(in)
			c.want.Before = "sync"
			if p.Actions == nil || p.Task == nil {
				t.Fatalf("actions %+v, findings %v", p.Actions, findings)
			}
			if diff := cmp.Diff(c.want, *p.Actions); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if off := c.want.Off != ""; off != p.Task.Backup.ActionsOff || off == (p.Task.Backup.Actions != nil) {
				t.Errorf("the task says otherwise: %+v", p.Task.Backup)
			}
		})
	}
}

func TestActionsThatAreTurnedOffAreToldOnce(t *testing.T) {
	t.Parallel()
	in := load(t, "local-actions-off")
	_, planned := plan.BuildBackup(in)
	in.Findings = validate.Set(in.Set, validate.Options{})
	_, both := plan.BuildBackup(in)
	others := func(p problem.Problem) bool { return p.Code != "VK318" }
	planned, both = slices.DeleteFunc(planned, others), slices.DeleteFunc(both, others)
	if diff := cmp.Diff(planned, both); diff != "" || len(planned) != 1 {
		t.Errorf("validate and plan tell it twice or in two ways (-plan +both):\n%s", diff)
	}
}

func TestABrokenDocumentKeepsThePlaceOfTheRepository(t *testing.T) {
	t.Parallel()
	in := load(t, "structured")
	in.Options.PolicyErrors = result.PolicyErrorsWarn
	text := strings.Replace(*in.Document.Source.Spec.Kopia.PolicyConfig.RepositoryConfig, "14", `"14"`, 1)
	in.Document.Source.Spec.Kopia.PolicyConfig.RepositoryConfig = &text
	p, findings := plan.BuildBackup(in)
	if p.Task == nil || p.Task.Repository.Storage.Type() != "s3" || len(p.Policy[0].Values) > 0 || p.Cache.ContentBytes == 5368709120 {
		t.Errorf("task %+v, policy %+v, cache %+v, findings %v", p.Task, p.Policy, p.Cache, findings)
	}
}

func TestDurationsAndScriptsInTheText(t *testing.T) {
	t.Parallel()
	in := load(t, "actions")
	in.Options.Timeouts.Action = result.Duration(90 * time.Second)
	in.Options.KeepJob = result.Duration(30 * time.Second)
	in.Options.Timeouts.Running = result.Duration(10 * time.Hour)
	in.Document.Source.Spec.Kopia.Actions.BeforeSnapshot = "a\x1b[2J\n\tb\n"
	p, _ := plan.BuildBackup(in)
	p.Findings = append(p.Findings, problem.Problem{Code: "VK999", Severity: problem.Info, Message: "a\tb\nc"})
	text := textOf(t, p)
	for _, want := range []string{
		`a\tb\nc` + "\n", "Actions, each at most 1m30s\n", "kept 30s\n", "wait ended 10h,",
		"  beforeSnapshot  a\\x1b[2J\n                  \tb\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}
