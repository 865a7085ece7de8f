package plan

import (
	"cmp"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// The names of the two actions.
const (
	actionBefore = "beforeSnapshot"
	actionAfter  = "afterSnapshot"
)

// Actions are the manifest's own commands around the snapshot, and what becomes
// of them.
type Actions struct {
	Before string `json:"beforeSnapshot,omitempty"`
	After  string `json:"afterSnapshot,omitempty"`
	// Timeout bounds each of them; absent when a Secret says it.
	Timeout result.Duration `json:"timeout,omitempty"`
	// Off says why they are not run; empty: they are.
	Off string `json:"off,omitempty"`
	// Unread names the document that the plan does not read and that may turn
	// them off or change Timeout; empty: there is none.
	Unread string `json:"unread,omitempty"`
}

// actions says what becomes of the manifest's actions; nil: it has none.
func (b *builder) actions(p policies, place site) *Actions {
	if !b.namesActions() {
		return nil
	}
	a := &Actions{Before: b.kopia.Actions.BeforeSnapshot, After: b.kopia.Actions.AfterSnapshot}
	switch origin := p.resolved.Origins[policy.SettingEnableActions]; {
	case b.actionsOff:
		a.Off = turnedOff(origin.From)
		return a
	case !place.runActions:
		a.Off = "they run on this machine only with --run-actions"
		return a
	}
	limit := p.resolved.Origins[policy.SettingActionTimeout]
	if !limit.Sensitive {
		a.Timeout = cmp.Or(result.Duration(p.resolved.ActionTimeout), b.in.Options.Timeouts.Action, result.DefaultActionTimeout)
	}
	if _, said := p.resolved.Origins[policy.SettingEnableActions]; p.unread && !(said && limit.From != "") {
		a.Unread = b.policyObject() + ", key " + p.config
	}
	return a
}

// turnedOff says it without the value, which may be a Secret's.
func turnedOff(document string) string { return document + " turns them off (enableActions)" }

// findActionsOff tells of actions that the manifest itself turns off: they may
// be what makes the data consistent.
func (b *builder) findActionsOff(p policies) {
	const path = "spec.kopia.actions"
	b.merge(problem.List{{
		Code: codeActionsOff, Severity: problem.Info, Object: b.in.Document.Object(), Path: path, Position: b.in.Document.Position(path),
		Message: "the actions are not run: " + turnedOff(p.resolved.Origins[policy.SettingEnableActions].From),
		Fix:     "set enableActions to true, or remove the actions",
	}})
}
