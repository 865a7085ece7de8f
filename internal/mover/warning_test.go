package mover_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// findings gives a run every kind of thing that can be read off its input: a
// level that kopia lacks, a key that means nothing, two kinds of storage, and a
// password that is the text of a command.
func (w *world) findings(t *testing.T) []string {
	t.Helper()
	const command = "$(openssl rand -base64 32)"
	w.secret(t, "KOPIA_PASSWORD", command)
	w.repo.Password = command
	w.secret(t, "SFTP_HOST", "backup.example")
	w.policy(t, "global-policy.json", `{"compression":{"compressor":"zstd","compressionLevel":3},"files":{"ignoreDeleted":false}}`)
	return []string{"VK307", "VK308", "VK406", "VK407"}
}

func TestFindingsAreShownAndDoNotChangeTheOutcome(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t, kopiatest.Kopia(t))
	codes := w.findings(t)
	o := w.run(t)
	o.want(t, result.Succeeded, 0, "")
	if len(o.Warnings) > 0 || strings.Contains(o.log, `"type":"warning"`) {
		t.Errorf("warnings %+v\n%s", o.Warnings, o.log)
	}
	for _, code := range codes {
		if !strings.Contains(o.log, "\nWARNING: "+code+" ") && !strings.HasPrefix(o.log, "WARNING: "+code+" ") {
			t.Errorf("the log does not name %s:\n%s", code, o.log)
		}
	}
}

func TestWhatHappensInTheRunChangesTheOutcomeBesideFindings(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		change func(t *testing.T, w *world)
		codes  []string
	}{
		"the after-action failed": {func(_ *testing.T, w *world) {
			w.task.Backup.Actions = &result.Actions{After: "exit 3"}
		}, []string{"VK422"}},
		"the global policy file is left out": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "global-policy.json", `{"retention":{"keepDaily":"7"}}`)
			w.task.Policy.OnError = result.PolicyErrorsWarn
		}, []string{"VK427"}},
		"the plan leaves the inline configuration out": {func(_ *testing.T, w *world) {
			w.task.Policy.OnError = result.PolicyErrorsWarn
			w.task.Policy.StructuredErrors = []string{"policyConfig.repositoryConfig:1:2: broken"}
		}, []string{"VK427"}},
		"the plan leaves the actions out": {func(_ *testing.T, w *world) {
			w.task.Warnings = []result.Warning{{Code: "VK514", Message: "the actions are not run on this machine"}}
		}, []string{"VK514"}},
		"sourcePath is read without the mount path": {func(_ *testing.T, w *world) {
			w.task.Backup.SourcePath, w.task.Identity.Path = "/data/sub dir", "/data/data/sub dir"
		}, []string{"VK420"}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBareWorld(t, kopiatest.Kopia(t))
			w.findings(t)
			row.change(t, w)
			o := w.run(t)
			o.want(t, result.SucceededWithWarnings, 0, "")
			if diff := cmp.Diff(row.codes, warned(o.Result)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// warned are the codes of the Result's warnings.
func warned(r result.Result) []string {
	var codes []string
	for _, warning := range r.Warnings {
		codes = append(codes, warning.Code)
	}
	return codes
}

func TestRulesOfTheGlobalPolicyThatDoNotApplyAreTold(t *testing.T) {
	t.Parallel()
	const said = "VK428 "
	kopiatest.Each(t, func(t *testing.T, kopia string) {
		w := newWorld(t, kopia)
		kopiatest.Write(t, w.data+"/x.log", "x")
		w.repo.Run(t, "policy", "set", "--global", "--add-ignore=*.log", "--add-ignore=*.tmp")
		o := w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if o.Snapshot.Files != 5 || strings.Contains(o.log, said) {
			t.Errorf("without a list of its own: %d files\n%s", o.Snapshot.Files, o.log)
		}
		w.task.Policy.Inline = []result.PolicyLayer{{From: "spec.kopia.additionalArgs[0]", Policy: []byte(`{"files":{"ignore":["*.bak","*.tmp"]}}`)}}
		o = w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if o.Snapshot.Files != 5 || strings.Contains(o.log, said) {
			t.Errorf("with an argument that adds to the list: %d files\n%s", o.Snapshot.Files, o.log)
		}
		w.task.Policy.Inline, w.task.Policy.Structured = nil, []byte(`{"policies":{"files":{"ignore":["*.bak","*.tmp"]}}}`)
		o = w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if o.Snapshot.Files != 6 {
			t.Errorf("kopia still ignores what the global policy says: %d files", o.Snapshot.Files)
		}
		// What a repository holds may have come from a policy Secret once.
		const replaced = " do not apply to this source: its own list replaces them\n"
		if !strings.Contains(o.log, said+"ignore rules of the global policy (1)"+replaced) || strings.Contains(o.log, "*.log") {
			t.Errorf("with rules that stand in the repository:\n%s", o.log)
		}
		w.policy(t, "global-policy.json", `{"files":{"ignore":["*.log","*.o"]}}`)
		w.task.Policy.Structured = []byte(`{"policies":{"files":{"ignore":["*.bak"]}}}`)
		o = w.run(t)
		o.want(t, result.Succeeded, 0, "")
		if !strings.Contains(o.log, said+"ignore rules of the global policy (*.log, *.o)"+replaced) {
			t.Errorf("with rules of this manifest:\n%s", o.log)
		}
		w.task.Policy.Structured = []byte(`{"policies":{"files":{"ignore":["*.bak","*.o","*.log"]}}}`)
		if o = w.run(t); strings.Contains(o.log, said) {
			t.Errorf("with a list that has all:\n%s", o.log)
		}
	})
}
