package mover

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// resolvePolicies reads the policy documents and works out what they mean,
// before anything is written anywhere. extra are layers below the manifest's own.
func (d *driver) resolvePolicies(source policy.Target, extra []result.PolicyLayer) error {
	global, err := d.policyFile("global policy", d.task.Policy.GlobalFile, "policies")
	if err != nil {
		return err
	}
	config, err := d.policyFile("repository config", d.task.Policy.RepositoryConfigFile, "settings")
	if err != nil {
		return err
	}
	return d.resolve(policy.Inputs{
		Source: source, Inline: append(extra, d.task.Policy.Inline...),
		FromSecret: d.task.Policy.FromSecret, AllowActions: d.task.Policy.AllowActions,
	}, global, config)
}

// resolveSettings is resolvePolicies for what only reads the repository. Of the
// documents nothing but speed limits, cache sizes and the like matters then, so
// the global policy is not looked at, and no document's fault is a reason to read
// nothing: restores are wanted when much else is broken.
func (d *driver) resolveSettings() error {
	config, err := d.policyFile("repository config", d.task.Policy.RepositoryConfigFile, "settings")
	if err != nil {
		config = &policyFile{title: "repository config", otherwise: "settings", broken: []string{err.Error()}}
	}
	d.task.Policy.OnError = result.PolicyErrorsWarn
	return d.resolve(policy.Inputs{FromSecret: d.task.Policy.FromSecret}, nil, config)
}

// resolve works out what the documents mean, without those that cannot be used.
// An error in the manifest's own fields is final.
func (d *driver) resolve(in policy.Inputs, global, config *policyFile) error {
	structured := d.structured()
	manual := d.parse(&policyFile{title: "manual config", otherwise: "settings", name: "KOPIA_MANUAL_CONFIG"}, d.keys.ManualConfig().Reveal())
	in.Global, in.RepositoryConfig, in.Structured, in.Manual = global.document(), config.document(), structured.document(), manual.document()
	for _, f := range []*policyFile{global, config, structured, manual} {
		if f != nil {
			d.policyFiles = append(d.policyFiles, f)
		}
	}
	settings, dropped := policy.ResolveDropping(in, policy.NamesFor(d.version))
	d.settings = settings
	for _, note := range settings.Notes {
		if note.Severity == problem.Error {
			return failed("ManifestInvalid", fault.New(fault.Invalid, "%s: %s", note.File, note.Message).WithHint(note.Fix))
		}
	}
	for _, f := range d.policyFiles {
		f.drop(dropped)
	}
	return d.judgePolicies()
}

// judgePolicies ends the run when a document is broken, unless the task says
// that the run goes on; then each is warned of.
func (d *driver) judgePolicies() error {
	var broken []string
	for _, f := range d.policyFiles {
		broken = append(broken, f.broken...)
	}
	if len(broken) > 0 && d.task.Policy.OnError != result.PolicyErrorsWarn {
		for _, line := range broken {
			d.log.sayf("ERROR: %s", line)
		}
		return failed("PolicyInvalid", fault.New(fault.Invalid, "the policy configuration cannot be used: %s", strings.Join(broken, "; ")).
			WithHint("correct it, or continue without it by --policy-errors=warn"))
	}
	d.reportNotes()
	for _, f := range d.policyFiles {
		for _, why := range f.broken {
			d.warn("VK427", fmt.Sprintf("the %s is not used: %s", f.title, why))
		}
	}
	return nil
}

func (d *driver) reportNotes() {
	for _, note := range d.settings.Notes {
		d.find(note.Severity, note.Code, place(note)+note.Message)
	}
}

// applyPolicies makes the repository's policies what the manifest says,
// when they are not already, and logs the difference before it writes.
func (d *driver) applyPolicies(ctx context.Context, now policy.Export) error {
	diff := d.comparePolicies(now)
	d.res.Policy = &result.PolicyReport{}
	if len(diff.Import) > 0 {
		data, err := diff.Import.Encode()
		if err != nil {
			return failed("Policy", err)
		}
		out, err := d.runner.Run(ctx, kopiaexec.Call{Command: argv.PolicyImport(d.paths), Stdin: bytes.NewReader(data)})
		if err != nil {
			return failed("Policy", err)
		}
		if !out.OK() {
			return diagnosed("write the policies", out)
		}
	}
	d.res.Policy.Changes = diff.Changes
	d.logPolicyFiles()
	return nil
}

// comparePolicies works out what a run changes in the repository's policies, and
// logs it.
func (d *driver) comparePolicies(now policy.Export) policy.Diff {
	diff := d.settings.Desired.Diff(now)
	for _, c := range diff.Changes {
		d.log.sayf("Policy %s %s: %s -> %s (%s)", c.Target, c.Path, orUnset(c.Before), orUnset(c.After), orUnset(c.From))
	}
	if len(diff.NotManaged) > 0 {
		d.log.sayf("Global policy: left as it is where the manifest names nothing, in %s: %s",
			count(int64(len(diff.NotManaged)), "value", "values"), firstOf(diff.NotManaged))
	}
	d.sayHidden(d.settings.Desired.HiddenIgnoreRules(now))
	return diff
}

// firstOf names the first few of many.
func firstOf(names []string) string {
	const few = 3
	if len(names) <= few+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// sayHidden tells of the ignore rules of the global policy that the source's own
// list replaces: whoever wrote them may rely on them.
func (d *driver) sayHidden(hidden policy.Hidden) {
	if hidden.Count == 0 {
		return
	}
	which := strconv.Itoa(hidden.Count)
	if len(hidden.Rules) > 0 {
		which = strings.Join(hidden.Rules, ", ")
	}
	d.find(problem.Info, "VK428", fmt.Sprintf(
		"ignore rules of the global policy (%s) do not apply to this source: its own list replaces them", which))
}

func orUnset(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// logPolicyFiles prints the documentation page's block, after the fact, so
// that "applied" is true when it is read.
func (d *driver) logPolicyFiles() {
	if len(d.policyFiles) == 0 {
		return
	}
	d.log.sayf("=== Applying policy configuration ===")
	for _, f := range d.policyFiles {
		if f.path != "" {
			d.log.sayf("Found %s file: %s", f.title, f.path)
		}
		if len(f.broken) == 0 {
			d.res.Policy.Applied++
			d.log.sayf("%s applied successfully", strings.ToUpper(f.title[:1])+f.title[1:])
			continue
		}
		d.res.Policy.Failed++
		if f.syntax {
			d.log.sayf("ERROR: Invalid JSON in %s file", f.title)
		}
		d.log.sayf("Continuing with default %s", f.otherwise)
	}
	d.log.sayf("Policy configuration summary: %d applied, %d failed", d.res.Policy.Applied, d.res.Policy.Failed)
}
