package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/local"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// planFlags are what decides a plan: backup, maintenance and plan share them, so that
// the same command line gives the same plan.
type planFlags struct {
	// kinds are those of the objects that the command takes; a NAME is of the first.
	kinds []string

	manifests manifestFlags
	local     localFlags
	sourceDir string
	facts     string
	output    string

	kopiaVersion string
	moverImage   string
	prove        string
	onEmpty      string
	create       string
	use          string
	connect      bool
	progress     string
	options      plan.Options
	timeout      time.Duration
	keepJob      time.Duration
	timeouts     timeoutFlags
	exec         execFlags
	// ofBackups are the flags that are about backups only.
	ofBackups []string
	// typed are the command's flags, which know those that were given.
	typed *pflag.FlagSet
	// classes are the facts outside the namespace, of a scheduled run; nil: the cluster
	// is asked.
	classes *plan.ClassFacts
}

// removedUsage is the help of --removed-timeout, of every command that removes.
const removedUsage = "longest wait until something that was deleted is gone"

// add adds the flags of backups and of their plans.
func (p *planFlags) add(c *cobra.Command) {
	p.kinds = []string{spec.KindReplicationSource}
	p.addCommon(c, "run although the manual trigger was served or the source is paused")
	flags, common := c.Flags(), map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) { common[f.Name] = true })
	flags.StringVar(&p.sourceDir, "source-dir", "", "with --local: the directory that stands in for the volume")
	flags.StringVar(&p.prove, "prove", string(result.ProveBlobs), "how a snapshot is proved: manifest, blobs or content")
	flags.StringVar(&p.onEmpty, "on-empty", string(result.OnEmptySkip), "what an empty source does: skip (fail if the last snapshot held files), fail or snapshot")
	flags.StringVar(&p.create, "create-repository", string(result.CreateAuto),
		"when a missing repository is created: auto (empty storage, source never synced), always or never")
	flags.StringVar(&p.use, "use", "", "cluster: accept a policy ConfigMap of the cluster that differs from the input's")
	flags.BoolVar(&p.options.Strict, "strict", false, "count files whose errors a policy ignores as missing (exit 4)")
	flags.BoolVar(&p.options.RunActions, "run-actions", false, "with --local: run the manifest's actions on this machine")
	flags.BoolVar(&p.options.ActionsOnLiveVolume, "actions-on-live-volume", false, "allow actions with copyMethod Direct")
	flags.BoolVar(&p.options.AllowPolicyActions, "allow-policy-actions", false, "allow kopia to run actions defined in this manifest's policy file")
	p.exec.add(flags)
	p.addCopyTimeouts(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if !common[f.Name] {
			p.ofBackups = append(p.ofBackups, f.Name)
		}
	})
}

// addCommon adds the flags of every run and of its plan; what is not a flag of the
// command has its default. force is the help of --force.
func (p *planFlags) addCommon(c *cobra.Command, force string) {
	p.options = plan.DefaultOptions()
	p.prove, p.onEmpty, p.create = string(p.options.Prove), string(p.options.OnEmpty), string(p.options.CreateRepository)
	p.manifests.add(c)
	p.local.add(c.Flags())
	flags := c.Flags()
	p.typed = flags
	flags.StringVar(&p.facts, "facts", "", "plan from recorded cluster facts (a YAML file) instead of a cluster")
	addOutputFlag(c, &p.output)
	flags.StringVar(&p.kopiaVersion, "kopia-version", argv.DefaultVersion, "version of kopia in the mover")
	flags.StringVar(&p.moverImage, "mover-image", "", "image of the mover (default: VOLSYNC_KOPIA_MOVER_IMAGE, else the release's own)")
	flags.BoolVar(&p.options.Detach, "detach", false, "return when the mover has started; it goes on by itself")
	flags.DurationVar(&p.timeout, "timeout", 0, "longest time for the whole run; 0: no limit")
	flags.BoolVar(&p.options.Force, "force", false, force)
	p.addTimeouts(flags)
	flags.DurationVar(&p.keepJob, "keep-job", time.Hour, "how long the Job stays after its result was collected; 0 removes it")
}

const takeOwnershipFlag = "take-ownership"

// addTakeOwnership adds --take-ownership.
func (p *planFlags) addTakeOwnership(c *cobra.Command) {
	c.Flags().BoolVar(&p.options.TakeOwnership, takeOwnershipFlag, false,
		"for a KopiaMaintenance: become the owner of the repository's maintenance where somebody else is")
}

// sourceOf is the directory that stands in for the object's volume; empty for one that
// reads none.
func (p *planFlags) sourceOf(d *spec.Document) string {
	if d.Source == nil {
		return ""
	}
	return p.sourceDir
}

// limited is ctx for no longer than --timeout; what names what it limits.
func (p *planFlags) limited(ctx context.Context, what string) (context.Context, context.CancelFunc) {
	if p.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, p.timeout, fault.New(fault.TimedOut, "%s took longer than %s", what, p.timeout).
		WithHint("--timeout sets the limit"))
}

// check refuses flag values that are none of those documented.
func (p *planFlags) check(f *Factory) error {
	err := errors.Join(
		oneOf("prove", p.prove, string(result.ProveManifest), string(result.ProveBlobs), string(result.ProveContent)),
		oneOf("on-empty", p.onEmpty, string(result.OnEmptySkip), string(result.OnEmptyFail), string(result.OnEmptySnapshot)),
		oneOf("create-repository", p.create, string(result.CreateAuto), string(result.CreateAlways), string(result.CreateNever)),
		checkOutput(p.output), oneOf("use", p.use, "", useCluster),
		notNegative("timeout", p.timeout), notNegative("keep-job", p.keepJob), p.timeouts.check(),
		checkKopiaVersion(p.kopiaVersion), p.checkMoverImage(f), p.checkPlace(), p.timeouts.apply(&p.options.Timeouts), p.exec.check(p.local.local),
	)
	p.manifests.repositoryDir = p.local.repositoryDir
	p.options.Exec, p.options.UseCluster = p.exec.hooks(), p.use == useCluster
	p.options.Timeouts.Running = result.Duration(wholeSeconds(p.timeout))
	p.options.Prove, p.options.OnEmpty = result.Proof(p.prove), result.OnEmpty(p.onEmpty)
	p.options.CreateRepository, p.options.PolicyErrors = result.CreateMode(p.create), result.PolicyErrorMode(p.manifests.policyErrors)
	p.options.KeepJob = result.Duration(p.keepJob)
	return err
}

// useCluster is the value of --use that accepts what the cluster holds.
const useCluster = "cluster"

// checkPlace refuses flags that mean nothing where the run is to be.
func (p *planFlags) checkPlace() error {
	var errs []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fault.New(fault.Usage, format, args...))
		}
	}
	refuse(p.connect && p.facts != "", "--facts stand in for a cluster, and --connect needs the cluster itself")
	if p.local.local {
		if slices.Equal(p.kinds, []string{spec.KindReplicationSource}) {
			errs = append(errs, p.checkSourceDir())
		}
		refuse(p.facts != "", "--facts cannot be combined with --local")
		refuse(p.use != "", "--use=%s is about a cluster; --local has none", p.use)
		refuse(p.options.Detach, "--detach leaves a mover in the cluster; with --local it would end with this command")
		for _, flag := range clusterFlags() {
			refuse(p.typed.Changed(flag), "--%s is about a run in a cluster; it cannot be combined with --local", flag)
		}
		return errors.Join(errs...)
	}
	refuse(p.sourceDir != "", "--source-dir stands in for the volume of a run on this machine: add --local")
	refuse(p.local.repositoryDir != "", "--repository-dir stands in for the repository of a run on this machine: add --local")
	refuse(p.local.stateDir != "", "--state-dir is where a run on this machine keeps its state: add --local")
	refuse(p.typed.Changed("kopia"), "--kopia names the kopia of a run on this machine: add --local")
	refuse(p.options.RunActions, "--run-actions lets a run on this machine run the manifest's actions: add --local; in a cluster they run without it")
	return errors.Join(errs...)
}

// checkSourceDir refuses a run of a source on this machine without its volume.
func (p *planFlags) checkSourceDir() error {
	if !p.local.local || p.sourceDir != "" {
		return nil
	}
	return fault.New(fault.Usage, "--local needs --source-dir: the directory that stands in for the volume").
		WithHint("add --source-dir DIR, as --source-dir ./data")
}

// clusterFlags are those that only a run in a cluster has a use for, and that have no
// word of their own about --local.
func clusterFlags() []string {
	return []string{
		"actions-on-live-volume", "keep-job", "mover-image", "class-facts", "scheduled",
		"triggered-timeout", "ready-timeout", "bound-timeout", "scheduled-timeout", "started-timeout", "idle-timeout",
	}
}

// build plans one object. facts are the cluster's, or what this machine knows.
func (p *planFlags) build(f *Factory, input *manifests, d *spec.Document, facts plan.Facts, runID string, env *plan.LocalEnv) (plan.Plan, error) {
	built, findings := buildPlan(p.input(f, input, d, facts, runID, env))
	return built, refusal(findings)
}

// buildPlan plans the input's object, whatever its kind.
func buildPlan(in plan.Input) (plan.Plan, problem.List) {
	if in.Document.Maintenance != nil {
		return plan.BuildMaintenance(in)
	}
	return plan.BuildBackup(in)
}

// input is everything that the plan of one object is made from.
func (p *planFlags) input(f *Factory, input *manifests, d *spec.Document, facts plan.Facts, runID string, env *plan.LocalEnv) plan.Input {
	return plan.Input{
		Set: input.set, Document: d, Facts: facts, Options: p.options, Findings: findingsOf(input.problems, d),
		Env: plan.Env{
			Now: f.Now(), RunID: runID, Version: version.Version, Image: p.image(f), KopiaVersion: p.kopiaVersion, Local: env,
			Holder: whoami(),
		},
	}
}

// findingsOf are the findings about the document or about what it refers to:
// those of other objects that run belong to their own plans.
func findingsOf(all problem.List, d *spec.Document) problem.List {
	var own problem.List
	for i := range all {
		if all[i].Object == "" || all[i].Object == d.Object() || all[i].File == d.At.File {
			own = append(own, all[i])
		}
	}
	return own
}

// refusal turns a plan's error findings into one fault: validation has passed,
// so what does not hold is a precondition.
func refusal(findings problem.List) error {
	var errs []error
	for i := range findings {
		if p := &findings[i]; p.Severity == problem.Error {
			errs = append(errs, fault.New(fault.Refused, "%s: %s", strings.TrimSpace(p.Code+" "+p.Path), p.Message).At(p.Object).WithHint(p.Fix))
		}
	}
	return errors.Join(errs...)
}

// localFacts are what this machine's history knows of the object.
func localFacts(state local.State, d *spec.Document) (plan.Facts, error) {
	history, err := state.History()
	if err != nil {
		return plan.Facts{}, err
	}
	facts := plan.Facts{Namespace: plan.Namespace{Name: d.Metadata().Namespace}}
	if len(history.Results) == 0 {
		return facts, nil
	}
	facts.History = history.Facts()
	return facts, nil
}
