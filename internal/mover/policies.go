package mover

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// policyFile is one document that holds policies, and what became of it.
type policyFile struct {
	// title is how the log names it: "global policy".
	title string
	// otherwise is what the log says the run continues with.
	otherwise string
	// name is the document's name in findings, path where it was read.
	name, path string
	doc        *policy.Document
	// broken are the reasons for which it is not used.
	broken []string
	// syntax is true when it is not even JSON.
	syntax bool
}

// resolvePolicies reads the policy documents and works out what they mean,
// before anything is written anywhere.
func (d *driver) resolvePolicies(source policy.Target, extra []result.PolicyLayer) error {
	global, err := d.policyFile("global policy", d.task.Policy.GlobalFile, "policies")
	if err != nil {
		return err
	}
	config, err := d.policyFile("repository config", d.task.Policy.RepositoryConfigFile, "settings")
	if err != nil {
		return err
	}
	structured := d.parse(&policyFile{title: "structured repository config", otherwise: "settings", name: "spec.kopia.policyConfig.repositoryConfig"}, d.task.Policy.Structured)
	manual := d.parse(&policyFile{title: "manual config", otherwise: "settings", name: "KOPIA_MANUAL_CONFIG"}, d.keys.ManualConfig().Reveal())
	in := policy.Inputs{
		Source: source, Inline: append(extra, d.task.Policy.Inline...),
		FromSecret: d.task.Policy.FromSecret, AllowActions: d.task.Policy.AllowActions,
	}
	names := policy.NamesFor(d.version)
	for {
		in.Global, in.RepositoryConfig, in.Structured, in.Manual = global.usable(), config.usable(), structured.usable(), manual.usable()
		d.settings = policy.Resolve(in, names)
		dropped, err := d.drop(d.settings.Notes, global, config, structured, manual)
		if err != nil {
			return err
		}
		if !dropped {
			break
		}
	}
	for _, f := range []*policyFile{global, config, structured, manual} {
		if f != nil {
			d.policyFiles = append(d.policyFiles, f)
		}
	}
	return d.judgePolicies()
}

func (f *policyFile) usable() *policy.Document {
	if f == nil || len(f.broken) > 0 {
		return nil
	}
	return f.doc
}

// policyFile reads one file of the policy ConfigMap or Secret; nil: there is
// none, and none is promised.
func (d *driver) policyFile(title, name, otherwise string) (*policyFile, error) {
	if d.task.Policy.Dir == "" || name == "" {
		return nil, nil
	}
	planned, promised := d.task.Policy.SHA256[name]
	data, err := readBelow(d.task.Policy.Dir, name)
	if errors.Is(err, fs.ErrNotExist) && !promised {
		return nil, nil
	}
	f := &policyFile{title: title, otherwise: otherwise, name: name, path: filepath.Join(d.task.Policy.Dir, name)}
	if err != nil {
		return nil, refused("PolicyUnreadable", fault.New(fault.Refused, "read the %s file: %w", title, err))
	}
	sum := sha256.Sum256(data)
	if promised && hex.EncodeToString(sum[:]) != planned {
		return nil, refused("PolicyChanged", fault.New(fault.Refused, "%s has changed since the plan was made", f.path).
			WithHint("run again, so that the plan and the run see the same policies"))
	}
	return d.parse(f, data), nil
}

// parse reads f's JSON; nil when there is none.
func (d *driver) parse(f *policyFile, data []byte) *policyFile {
	if len(bytes.TrimSpace(data)) == 0 && f.path == "" {
		return nil
	}
	doc, err := policy.ParseDocument(f.name, data)
	if err != nil {
		f.syntax = true
		f.broken = []string{err.Error()}
	}
	f.doc = doc
	return f
}

// readBelow reads a file of a mounted volume without leaving it, and not much
// more of it than a policy may have.
func readBelow(dir, name string) ([]byte, error) {
	f, err := os.OpenInRoot(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, policy.MaxSize+1))
}

// drop marks the documents that the error notes are about as broken and
// reports whether there was one. An error in the manifest's own fields is final.
func (d *driver) drop(notes []policy.Note, files ...*policyFile) (bool, error) {
	dropped := false
	for _, note := range notes {
		if note.Severity != problem.Error {
			continue
		}
		f := byName(files, note.File)
		if f == nil {
			return false, failed("ManifestInvalid", fault.New(fault.Invalid, "%s: %s", note.File, note.Message).WithHint(note.Fix))
		}
		f.broken = append(f.broken, place(note)+note.Message)
		dropped = true
	}
	return dropped, nil
}

func byName(files []*policyFile, name string) *policyFile {
	for _, f := range files {
		if f != nil && f.name == name {
			return f
		}
	}
	return nil
}

// place prints where in its file a note is.
func place(note policy.Note) string {
	if note.Line == 0 {
		return note.File + " " + note.Pointer + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", note.File, note.Line, note.Column)
}

// judgePolicies ends the run when a document is broken, unless the task says
// that the run goes on; then each becomes a warning.
func (d *driver) judgePolicies() error {
	var broken []string
	for _, f := range d.policyFiles {
		broken = append(broken, f.broken...)
	}
	if len(broken) == 0 {
		d.reportNotes()
		return nil
	}
	if d.task.Policy.OnError != result.PolicyErrorsWarn {
		for _, line := range broken {
			d.log.sayf("ERROR: %s", line)
		}
		return failed("PolicyInvalid", fault.New(fault.Invalid, "the policy configuration cannot be used: %s", strings.Join(broken, "; ")).
			WithHint("correct it, or continue without it by --policy-errors=warn"))
	}
	d.reportNotes()
	return nil
}

func (d *driver) reportNotes() {
	for _, note := range d.settings.Notes {
		switch note.Severity {
		case problem.Warning:
			d.warn(note.Code, place(note)+note.Message)
		default:
			d.log.sayf("%s %s%s", note.Code, place(note), note.Message)
		}
	}
}

// applyPolicies makes the repository's policies what the manifest says,
// when they are not already, and logs the difference before it writes.
func (d *driver) applyPolicies(ctx context.Context, now policy.Export) error {
	diff := d.settings.Desired.Diff(now)
	d.res.Policy = &result.PolicyReport{}
	for _, c := range diff.Changes {
		d.log.sayf("Policy %s %s: %s -> %s (%s)", c.Target, c.Path, orUnset(c.Before), orUnset(c.After), orUnset(c.From))
	}
	if len(diff.NotManaged) > 0 {
		d.log.sayf("Global policy values that the manifest does not name, left as they are: %s", strings.Join(diff.NotManaged, ", "))
	}
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
		for _, why := range f.broken {
			d.warn("VK427", fmt.Sprintf("the %s is not used: %s", f.title, why))
		}
		d.log.sayf("Continuing with default %s", f.otherwise)
	}
	d.log.sayf("Policy configuration summary: %d applied, %d failed", d.res.Policy.Applied, d.res.Policy.Failed)
}
