package cmd

import (
	"context"
	"errors"
	"testing"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

func mayCreate(secret string, mode result.CreateMode, synced bool) plan.Plan {
	return plan.Plan{
		Repository: plan.Repository{Secret: secret},
		Task:       &result.Task{Repository: result.RepositoryTask{Create: mode, SourceHasSynced: synced}},
	}
}

// While nobody has opened the repository, one source at a time may try.
func TestSourcesThatMayMakeOneRepositoryTakeTurns(t *testing.T) {
	t.Parallel()
	var waiting turns
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the run was cancelled"))
	first, waited, err := waiting.take(ended, mayCreate("a", result.CreateAuto, false))
	if err != nil || waited {
		t.Fatalf("the first one: waited %v, %v", waited, err)
	}
	for name, row := range map[string]struct {
		plan plan.Plan
		runs bool
	}{
		"one that may make it too":              {mayCreate("a", result.CreateAuto, false), false},
		"one that must":                         {mayCreate("a", result.CreateAlways, true), false},
		"one that has been backed up before":    {mayCreate("a", result.CreateAuto, true), true},
		"one that may not":                      {mayCreate("a", result.CreateNever, false), true},
		"one of another repository":             {mayCreate("b", result.CreateAuto, false), true},
		"one whose plan has nothing to be run":  {plan.Plan{}, true},
		"one in another namespace of that name": {plan.Plan{Object: result.ObjectRef{Namespace: "n"}, Repository: plan.Repository{Secret: "a"}, Task: mayCreate("", result.CreateAuto, false).Task}, true},
	} {
		if _, _, err := waiting.take(ended, row.plan); (err == nil) != row.runs {
			t.Errorf("%s: %v, want it to run: %v", name, err, row.runs)
		}
	}
	// A run that has not come as far as the repository lets the next one try alone.
	first(&result.Result{Repository: &result.RepositoryInfo{}})
	second, _, err := waiting.take(ended, mayCreate("a", result.CreateAuto, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := waiting.take(ended, mayCreate("a", result.CreateAuto, false)); err == nil {
		t.Error("two had the turn")
	}
	second(&result.Result{Repository: &result.RepositoryInfo{UniqueID: "x"}})
	for range 2 {
		if _, _, err := waiting.take(ended, mayCreate("a", result.CreateAuto, false)); err != nil {
			t.Errorf("the repository is there, and yet: %v", err)
		}
	}
}

func maintains(namespace, secret, location string) plan.Plan {
	return plan.Plan{
		Object:     result.ObjectRef{Namespace: namespace},
		Repository: plan.Repository{Secret: secret, Location: location},
		Task:       &result.Task{Maintenance: &result.MaintenanceTask{}},
	}
}

// Two Secrets may name one repository: only a place that is known to be another lets a
// second maintenance begin.
func TestMaintenancesTakeTurns(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the run was cancelled"))
	here := &plan.LocalEnv{RepositoryDir: "/r"}
	local := maintains("prod", "b", "/r")
	local.Local = here
	for name, row := range map[string]struct {
		first, second plan.Plan
		together      bool
	}{
		"one Secret": {maintains("prod", "a", ""), maintains("prod", "a", ""), false},
		"two Secrets, of places that nobody knows": {maintains("prod", "a", ""), maintains("prod", "b", ""), false},
		"two namespaces":                {maintains("prod", "a", ""), maintains("test", "a", ""), false},
		"two Secrets, one place":        {maintains("prod", "a", "/mnt/r"), maintains("test", "b", "/mnt/r"), false},
		"two places":                    {maintains("prod", "a", "/mnt/r"), maintains("prod", "a", "/mnt/s"), true},
		"one directory of this machine": {local, local, false},
	} {
		var waiting turns
		give, _, err := waiting.take(ended, row.first)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, _, err := waiting.take(ended, row.second); (err == nil) != row.together {
			t.Errorf("%s: %v, want them together: %v", name, err, row.together)
		}
		give(&result.Result{Repository: &result.RepositoryInfo{UniqueID: "x"}})
		if _, waited, err := waiting.take(ended, row.first); err != nil || waited {
			t.Errorf("%s: after the end of the first: waited %v, %v", name, waited, err)
		}
	}
}
