package cmd

import (
	"context"
	"sync"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// turns has the sources of one input that may have to make their repository run
// one at a time, until one of them has opened it: two that make it at once
// destroy it, and not every storage lets the movers see each other.
//
// Maintenances of one command run one at a time, unless their plans know that they are at
// different places: two Secrets may name one repository, and only the movers read them.
// Kopia's own lock, a file of each mover, keeps none of them apart. Of two commands,
// nothing here does: on this machine local.HoldMaintenance does it, and everywhere the
// proof finds out about another.
type turns struct {
	mu     sync.Mutex
	places map[string]*place
}

// place is one repository. Whoever takes from free has the turn.
type place struct {
	free chan struct{}
	// opened is written with the turn taken.
	opened bool
}

// take waits until the plan's run may begin, and returns what gives the turn to
// the next when it has ended: with its Result, or nil. waited is true when
// another run has been let go first, so that the plan's facts may be old.
func (t *turns) take(ctx context.Context, p plan.Plan) (give func(*result.Result), waited bool, err error) {
	nothing := func(*result.Result) {}
	if p.Task == nil || p.Task.Maintenance == nil && !mayMake(p.Task.Repository) {
		return nothing, false, nil
	}
	at := t.at(repositoryOf(p))
	select {
	case <-at.free:
	default:
		waited = true
		select {
		case <-at.free:
		case <-ctx.Done():
			return nothing, true, context.Cause(ctx)
		}
	}
	if at.opened && p.Task.Maintenance == nil {
		at.free <- struct{}{}
		return nothing, waited, nil
	}
	return func(r *result.Result) {
		at.opened = r != nil && r.Repository != nil && r.Repository.UniqueID != ""
		at.free <- struct{}{}
	}, waited, nil
}

// mayMake reports whether the run may make its repository.
func mayMake(r result.RepositoryTask) bool {
	return r.Create != result.CreateNever && (r.Create != result.CreateAuto || !r.SourceHasSynced)
}

func (t *turns) at(name string) *place {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.places == nil {
		t.places = map[string]*place{}
	}
	if t.places[name] == nil {
		t.places[name] = &place{free: make(chan struct{}, 1)}
		t.places[name].free <- struct{}{}
	}
	return t.places[name]
}

// repositoryOf names the repository as far as a plan knows it.
func repositoryOf(p plan.Plan) string {
	switch {
	case p.Local != nil && p.Local.RepositoryDir != "":
		return p.Local.RepositoryDir
	case p.Task.Maintenance != nil:
		// In whatever namespace: one export may be mounted at the same path in two of
		// them. Places that nobody knows share one turn.
		return "maintenance at " + p.Repository.Location
	}
	return p.Object.Namespace + "/" + p.Repository.Secret + " " + p.Repository.Location
}
