package mover_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiatest"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The manifest may give both files one name; then one text is read under two
// grammars, and at least one of them finds it wrong.
func TestOneNameForBothPolicyFilesEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kopiatest.Kopia(t))
	w.policy(t, "both.json", `{"compression":{"compressor":"nonsense"},"uploadSpeed":"fast"}`)
	w.task.Policy.GlobalFile, w.task.Policy.RepositoryConfigFile = "both.json", "both.json"
	w.task.Policy.OnError = result.PolicyErrorsWarn
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan outcome, 1)
	go func() { ended <- w.runContext(ctx, t) }()
	select {
	case o := <-ended:
		o.want(t, result.SucceededWithWarnings, 0, "")
		if !strings.Contains(o.log, "the global policy is not used") || !strings.Contains(o.log, "the repository config is not used") || len(o.Warnings) > 5 {
			t.Errorf("warnings %+v\n%s", o.Warnings, o.log)
		}
	case <-ctx.Done():
		t.Fatal("the policies are read over and over")
	}
}

func TestPolicyFileThatTheManifestNamesMustBeThere(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	required := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t, kopia)
		w.policy(t, "global-policy.json", "{}")
		// A Secret: the plan has not seen what it holds.
		w.task.Policy.SHA256, w.task.Policy.FromSecret = nil, true
		w.task.Policy.RepositoryConfigFile, w.task.Policy.Required = "limits.json", []string{"limits.json"}
		return w
	}
	o := required(t).run(t)
	o.want(t, result.Refused, 3, "PolicyInvalid")
	if !strings.Contains(o.Message, "limits.json") || o.KopiaProcesses > 0 {
		t.Errorf("message %q, %d processes", o.Message, o.KopiaProcesses)
	}
	w := required(t)
	w.task.Policy.OnError = result.PolicyErrorsWarn
	o = w.run(t)
	o.want(t, result.SucceededWithWarnings, 0, "")
	if diff := cmp.Diff([]string{"VK427"}, warned(o.Result)); diff != "" || strings.Contains(o.log, "Found repository config file") {
		t.Errorf("warnings (-want +got):\n%s\n%s", diff, o.log)
	}
	w = required(t)
	w.task.Policy.Required = nil
	w.run(t).want(t, result.Succeeded, 0, "")
}

// The day on which the cluster is lost is not the day to mend a policy: a
// restore and a list need none.
func TestReadingNeedsNoPolicy(t *testing.T) {
	t.Parallel()
	kopia := kopiatest.Kopia(t)
	for name, row := range map[string]struct {
		change func(t *testing.T, w *world)
		codes  []string
	}{
		"a global policy that is not JSON": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "global-policy.json", "{invalid json here}")
		}, nil},
		"limits that are not JSON": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "repository.config", "{invalid json here}")
		}, []string{"VK427"}},
		"limits that kopia cannot have": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "repository.config", `{"uploadSpeed":"fast"}`)
		}, []string{"VK427"}},
		"limits that have changed since the plan": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "repository.config", `{}`)
			w.task.Policy.SHA256["repository.config"] = "00"
		}, []string{"VK427"}},
		"named limits that are not there": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "global-policy.json", "{}")
			w.task.Policy.Required = []string{"repository.config"}
		}, []string{"VK427"}},
		"good limits": {func(t *testing.T, w *world) {
			t.Helper()
			w.policy(t, "repository.config", `{"uploadSpeed": 10485760, "downloadSpeed": 10485760}`)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kopia)
			w.run(t).want(t, result.Succeeded, 0, "")
			row.change(t, w)
			w.task.Policy.OnError = result.PolicyErrorsFail
			w.task.List, w.task.Restore = &result.ListTask{}, &result.RestoreTask{TargetDir: t.TempDir()}
			want := result.Succeeded
			if row.codes != nil {
				want = result.SucceededWithWarnings
			}
			for _, operation := range []result.Operation{result.OperationList, result.OperationRestore} {
				w.task.Operation = operation
				o := w.run(t)
				o.want(t, want, 0, "")
				if diff := cmp.Diff(row.codes, warned(o.Result)); diff != "" {
					t.Errorf("%s: warnings (-want +got):\n%s", operation, diff)
				}
				if strings.Contains(o.log, "Upload speed limit") {
					t.Errorf("%s uploads nothing:\n%s", operation, o.log)
				}
				if limited := strings.Contains(o.log, "Download speed limit: 10 MB/s"); limited != (name == "good limits") {
					t.Errorf("%s: the limit is used: %v\n%s", operation, limited, o.log)
				}
			}
		})
	}
}
