package plan

import (
	"fmt"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// BuildMaintenance plans the maintenance that a KopiaMaintenance describes: on the
// cluster, or on this machine when in.Env.Local is set. It copies no volume, sets no
// policy and never makes a repository; everything else is as for a backup.
//
// The returned list is the plan's Findings, as BuildBackup's is. in.Document must hold a
// KopiaMaintenance.
func BuildMaintenance(in Input) (Plan, problem.List) {
	b, plan := begin(in)
	b.limitRunning()
	plan.Skip = b.checkOperator()
	place := siteOf(in.Env, in.Options)
	none := policies{} // what a Secret may configure is about new repositories and snapshots
	plan.Identity, plan.OwnerUnread = b.maintainer()
	plan.Cache = b.decideCache(cacheSizes{}, place.cacheDir)
	plan.Repository = b.repository(place, none)
	plan.Mover = Mover{Kopia: place.kopia}
	task := b.taskFor(place, plan.Identity, none, plan.Cache)
	task.Maintenance = &result.MaintenanceTask{TakeOwnership: in.Options.TakeOwnership}
	task.Repository.Create, plan.Repository.Create = result.CreateNever, result.CreateNever
	if in.Env.Local != nil {
		b.findCacheClaim()
		b.planLocal(place)
	} else {
		b.planUpkeep(&plan, task)
	}
	return b.finish(plan, place, task)
}

// maintainer is whom kopia must know as the owner of the repository's maintenance; unread
// is true when the Secret, which may name another one, is not in the input.
func (b *builder) maintainer() (owner result.Identity, unread bool) {
	owner = result.Identity{Username: argv.MaintenanceUsername, Hostname: argv.MaintenanceHostname}
	secret := b.inputSecret(b.kopia.Repository)
	if secret == nil {
		return owner, true
	}
	username, hostname, given, err := storage.Keys(secret.Secret.Data).Maintainer(argv.MaintenanceHostname)
	if given && err == nil { // validation refuses one that is no name
		owner = result.Identity{Username: username, Hostname: hostname}
	}
	return owner, false
}

// findCacheClaim tells that a claim for the cache is left aside on this machine.
func (b *builder) findCacheClaim() {
	if claim := deref(b.upkeep.CachePVC); claim != "" {
		b.find(problem.Info, codeCacheClaimLocal, b.field("cachePVC"),
			fmt.Sprintf("a run on this machine keeps its cache in its state directory, not on claim %q", claim), "")
	}
}

// planUpkeep decides how a maintenance on the cluster goes, and lays out its steps.
func (b *builder) planUpkeep(plan *Plan, task *result.Task) {
	b.planMover(plan)
	where := b.placeMover(nil)
	plan.Mover.Node, plan.Mover.NodeReason = where.node, where.reason
	plan.Needs = b.upkeepNeeds()
	b.checkRights(plan.Needs)
	if plan.Skip != nil {
		return
	}
	m := &mounts{}
	b.addCommonMounts(m, plan.Cache, policies{})
	b.clusterSteps(nil, plan.Cache, b.job(m, where, task), task)
	b.checkQuota()
}

// upkeepNeeds are the rights that a maintenance uses.
func (b *builder) upkeepNeeds() []Rule {
	rules := b.runNeeds()
	if b.cacheIsClaim() {
		rules[0].Verbs = []string{"create", "get"}
	}
	// An operator runs a maintenance by a CronJob.
	rules = append(rules, Rule{Group: "batch", Resource: "cronjobs", Verbs: []string{"get"}, Optional: true})
	return append(append(rules, b.statusNeeds()...), readingNeeds()...)
}

// sharedFields are the fields of a KopiaMaintenance that a source has, too, by their
// names there; see maintenanceKind for where they stand.
//
// On a cluster, cachePVC takes the place of what shapes a claim that is made.
func sharedFields(s *spec.KopiaMaintenanceSpec, local bool) *spec.KopiaSource {
	shared := &spec.KopiaSource{
		CacheOptions: s.CacheOptions,
		MoverOptions: spec.MoverOptions{
			MoverSecurityContext: s.PodSecurityContext, MoverServiceAccount: s.ServiceAccountName, MoverPodLabels: s.MoverPodLabels,
			MoverResources: s.Resources, MoverAffinity: s.Affinity, MoverVolumes: s.MoverVolumes,
		},
		Repository: s.Repository.Repository, CustomCA: s.Repository.CustomCA,
	}
	if deref(s.CachePVC) != "" && !local {
		shared.CacheCapacity, shared.CacheStorageClassName, shared.CacheAccessModes = nil, nil, nil
	}
	return shared
}

// limitRunning has the manifest's own deadline bound the mover, unless what the user
// gives the run is less. A user who gives more learns that it has no effect.
func (b *builder) limitRunning() {
	seconds := int64(spec.DefaultMaintenanceDeadlineSeconds)
	if own := b.upkeep.ActiveDeadlineSeconds; own != nil {
		seconds = *own
	}
	own, typed := time.Duration(seconds)*time.Second, time.Duration(b.in.Options.Timeouts.Running)
	if 0 < typed && typed <= own {
		return
	}
	if typed > own {
		b.find(problem.Warning, codeLongerThanDeadline, "spec.activeDeadlineSeconds",
			fmt.Sprintf("--timeout=%s has no effect: the maintenance may run for %s", typed, own), LimitHint(spec.KindKopiaMaintenance))
	}
	b.in.Options.Timeouts.Running = result.Duration(own)
}

// LimitHint says what sets how long the mover of an object of the kind may run.
func LimitHint(kind string) string {
	if kind != spec.KindKopiaMaintenance {
		return "--timeout sets the limit"
	}
	return fmt.Sprintf("spec.activeDeadlineSeconds sets the limit, %d without it; --timeout can only lower it", spec.DefaultMaintenanceDeadlineSeconds)
}
