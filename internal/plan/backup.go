package plan

import (
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// BuildBackup plans the backup that a ReplicationSource describes: on the
// cluster, or on this machine when in.Env.Local is set.
//
// The returned list is the plan's Findings: those of in.Findings, then the
// plan's own. With an error among them, or with a Skip, the plan has no steps.
// The same input gives the same plan. in.Document must hold a source.
func BuildBackup(in Input) (Plan, problem.List) {
	b, plan := begin(in)
	plan.Skip = b.checkOperator()
	id, otherwise := b.identity()
	p := b.decidePolicies(id)
	place := siteOf(in.Env, in.Options)
	plan.Identity, plan.Otherwise = id, otherwise
	plan.Policy = b.policyTable(p, id)
	plan.Arguments = arguments(p)
	plan.Cache = b.decideCache(cacheSizes{p.resolved.Caching.ContentBytes, p.resolved.Caching.MetadataBytes}, place.cacheDir)
	plan.Repository = b.repository(place, p)
	plan.Mover = Mover{Kopia: place.kopia}
	task := b.taskFor(place, id, p, plan.Cache)
	task.Backup = b.backupTask(place, p)
	b.findLocalHooks()
	task.Warnings = b.warnings
	plan.Settings, plan.Actions = b.settings(p, task), b.actions(p, place)
	if in.Env.Local != nil {
		b.planLocal(place)
	} else {
		b.planCluster(&plan, p, task)
	}
	return b.finish(plan, place, task)
}

// begin makes the builder and what is known of the plan before any decision.
func begin(in Input) (*builder, Plan) {
	b := &builder{in: in, kind: kindOf(in.Document), source: in.Document.Source, object: objectOf(in)}
	if m := in.Document.Maintenance; m != nil {
		b.source, b.upkeep, b.kopia = &spec.ReplicationSource{}, &m.Spec, sharedFields(&m.Spec, in.Env.Local != nil)
	} else if b.kopia = b.source.Spec.Kopia; b.kopia == nil {
		b.kopia = &spec.KopiaSource{}
	}
	return b, Plan{
		APIVersion: result.APIVersion, Kind: KindPlan, Operation: b.operation(),
		RunID: in.Env.RunID, Time: in.Env.Now.UTC(), Version: in.Env.Version,
		Object: b.object, Local: in.Env.Local, Unknown: b.unknown(),
	}
}

// objectOf names the object; a manifest without a namespace takes the caller's.
func objectOf(in Input) result.ObjectRef {
	meta := in.Document.Metadata()
	o := result.ObjectRef{Kind: in.Document.Kind(), Namespace: meta.Namespace, Name: meta.Name}
	if o.Namespace == "" {
		o.Namespace = in.Facts.Namespace.Name
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if in.Facts.Object != nil {
		o.UID = in.Facts.Object.UID
	}
	return o
}

// finish orders the findings and completes a plan that can run.
func (b *builder) finish(plan Plan, place site, task *result.Task) (Plan, problem.List) {
	if b.err != nil && !b.findings.HasErrors() && !b.in.Findings.HasErrors() {
		b.find(problem.Error, codeTemplate, "", "an object of the plan cannot be made: "+b.err.Error(), "please report this as a defect")
	}
	b.findings.Sort()
	plan.Findings = append(append(problem.List{}, b.in.Findings...), b.findings...)
	if plan.Findings.HasErrors() || plan.Skip != nil {
		return plan, plan.Findings
	}
	plan.Steps, plan.Cleanup, plan.Task = b.steps, b.cleanup, task
	plan.CleanupTimeout = b.in.Options.Timeouts.Removed
	plan.Commands = commands(place, task, plan.Actions)
	return plan, plan.Findings
}

// repository says what the manifest says about the repository.
func (b *builder) repository(place site, p policies) Repository {
	storage := b.storage(place, p)
	r := Repository{Secret: b.kopia.Repository, Backend: storage.Type(), Create: b.in.Options.CreateRepository}
	switch {
	case place.repository != "":
		r.Location = place.repository
	case deref(b.kopia.RepositoryPVC) != "":
		r.Location = "pvc/" + *b.kopia.RepositoryPVC + " at " + storage.Filesystem.Path
	case storage.Filesystem != nil:
		r.Location = storage.Filesystem.Path
	}
	return r
}

// planMover decides on the mover's pod, whatever it does.
func (b *builder) planMover(plan *Plan) {
	b.checkExtraClaims()
	b.checkCacheClass(plan.Cache)
	b.checkStatusObject()
	plan.Mover.Image = b.in.Env.Image
	plan.Mover.User, plan.Mover.Privileged = b.moverUser(), b.privileged()
	plan.Mover.ServiceAccount = deref(b.kopia.MoverServiceAccount)
	plan.Mover.PodSecurity = b.checkPodSecurity()
	if b.in.Env.Image == "" {
		b.find(problem.Error, codeNoImage, "", "there is no mover image: this is a development build, which has no default",
			"give --mover-image, or set VOLSYNC_KOPIA_MOVER_IMAGE")
	}
}

// planCluster decides how a run on the cluster goes, and lays out its steps.
func (b *builder) planCluster(plan *Plan, p policies, task *result.Task) {
	b.planMover(plan)
	c := b.decideCopy()
	if c == nil {
		b.checkRights(b.surelyNeeds()) // every gap is told at once
		return
	}
	plan.Copy = c
	where := b.placeMover(c)
	plan.Mover.Node, plan.Mover.NodeReason = where.node, where.reason
	plan.Needs = b.needs(c)
	b.checkRetained(c)
	b.checkRights(plan.Needs)
	b.checkHooks(c)
	if plan.Skip == nil {
		// Also for a plan that is refused: what the steps create is what a quota
		// is judged by, and every gap is told at once.
		b.clusterSteps(c, plan.Cache, b.job(b.moverMounts(c, plan.Cache, p), where, task), task)
		b.checkQuota()
	}
}

// notGiven says that an object is missing that a local run reads from its input.
func (b *builder) notGiven(kind, name string) string {
	return fmt.Sprintf("%s %q is not in the input, and a run on this machine reads it from there, never from a cluster", kind, name)
}

// giveIt says how to come by the manifest of an object that a local run reads.
func (b *builder) giveIt(resource, name string) string {
	return fmt.Sprintf("add the file that holds it, as -f %[2]s.yaml; from a cluster: kubectl get %[1]s %[2]s -n %[3]s -o yaml > %[2]s.yaml",
		resource, name, b.object.Namespace)
}

// planLocal lays out the steps of a run on this machine.
func (b *builder) planLocal(place site) {
	local := b.in.Env.Local
	prepare := &Prepare{
		WorkDir:     local.WorkDir,
		Directories: []string{place.workDir, place.secretDir, place.cacheDir},
		Files:       []PreparedDir{{Dir: place.secretDir, Kind: spec.KindSecret, Name: b.kopia.Repository}},
	}
	if b.inputSecret(b.kopia.Repository) == nil {
		b.find(problem.Error, codeSecretMissing, b.field("repository"),
			b.notGiven(spec.KindSecret, b.kopia.Repository), b.giveIt("secret", b.kopia.Repository))
	}
	if c := b.kopia.PolicyConfig; c != nil && (c.SecretName != "" || c.ConfigMapName != "") {
		kind, name := spec.KindConfigMap, c.ConfigMapName
		if c.SecretName != "" {
			kind, name = spec.KindSecret, c.SecretName
		}
		prepare.Directories = append(prepare.Directories, place.policyDir)
		prepare.Files = append(prepare.Files, PreparedDir{Dir: place.policyDir, Kind: kind, Name: name})
	}
	if ca := b.customCA(); ca != nil {
		kind, name := spec.KindSecret, ca.SecretName
		if name == "" {
			kind, name = spec.KindConfigMap, ca.ConfigMapName
		}
		prepare.Directories = append(prepare.Directories, place.caDir)
		prepare.Files = append(prepare.Files, PreparedDir{Dir: place.caDir, Kind: kind, Name: name, Key: caKey(ca), File: caFile})
	}
	b.localSteps(prepare)
}
