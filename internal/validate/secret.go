package validate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

const (
	passwordKey     = "KOPIA_PASSWORD"
	manualConfigKey = "KOPIA_MANUAL_CONFIG"
	maintainerKey   = "KOPIA_OVERRIDE_MAINTENANCE_USERNAME"
	// codeOtherPlace is storage's code for a Secret that contradicts a manifest.
	codeOtherPlace = "VK405"
	// maxObject is what the API server takes as data of one object, in bytes.
	maxObject = 1 << 20
)

// secretSize finds a Secret that no API server accepts.
func (c *check) secretSize(s *spec.Secret) {
	total := 0
	for _, value := range s.Data {
		total += len(value.Reveal())
	}
	c.objectSize(total)
}

// configMapSize finds a ConfigMap that no API server accepts.
func (c *check) configMapSize(m *spec.ConfigMap) {
	total := 0
	for _, text := range m.Data {
		total += len(text)
	}
	c.objectSize(total)
}

func (c *check) objectSize(total int) {
	if total > maxObject {
		c.fail("VK142", "", fmt.Sprintf("%s holds %d bytes, and an API server takes at most 1 MiB (%d)", c.doc.Object(), total, maxObject),
			"divide it")
	}
}

// repositorySecret judges a Secret that opens a repository, once for each kind
// of place that the documents give it.
func (v *Validator) repositorySecret(r *reference, target *spec.Document, seen map[string]bool) {
	want := r.storage
	if dir := v.opts.RepositoryDir; dir != "" && want.Type() == "" { // what the manifest says must fit the Secret all the same
		want = result.Storage{Filesystem: &result.FilesystemStorage{Path: dir}}
	}
	place, err := json.Marshal(want)
	if err == nil && once(seen, fmt.Sprintf("repository %p %s", target, place)) {
		_, problems := storage.Resolve(want, storage.Keys(target.Secret.Data))
		for i := range problems {
			if problems[i].Code == codeOtherPlace {
				problems[i].Message += " (" + r.object + ")"
			}
		}
		v.secretProblems(target, problems)
	}
	if once(seen, fmt.Sprintf("secret %p", target)) {
		v.manualConfig(target)
	}
	if r.path == upkeepRepository && once(seen, fmt.Sprintf("maintainer %p", target)) {
		v.maintainer(target)
	}
}

// maintainer judges whom the Secret names as the owner of the repository's maintenance.
func (v *Validator) maintainer(target *spec.Document) {
	if _, _, _, err := storage.Keys(target.Secret.Data).Maintainer(argv.MaintenanceHostname); err != nil {
		v.secretProblems(target, problem.List{{
			Code: "VK410", Severity: problem.Error, Path: maintainerKey, Message: err.Error(),
			Fix: "write a name, as maintenance, or a name and a host, as maintenance@volsync",
		}})
	}
}

// passwordOnly judges the password of a Secret that no document refers to.
func (v *Validator) passwordOnly(target *spec.Document) {
	keys := storage.Keys{passwordKey: target.Secret.Data[passwordKey]}
	_, problems := storage.Resolve(result.Storage{Filesystem: &result.FilesystemStorage{Path: "/anywhere"}}, keys)
	v.secretProblems(target, problems)
}

// unusedSecrets judges the repository Secrets that no document refers to, as
// far as they go: what is missing in them may be elsewhere.
func (v *Validator) unusedSecrets() {
	used := map[*spec.Document]bool{}
	for i := range v.references {
		if r := &v.references[i]; r.kind == repositoryReference {
			used[v.target(r)] = true
		}
	}
	for _, d := range v.secrets.byKey {
		if used[d] {
			continue
		}
		if _, ok := d.Secret.Data[passwordKey]; ok {
			v.passwordOnly(d)
		}
		v.manualConfig(d)
	}
}

// secretProblems gives problems that name a key of the Secret their place.
func (v *Validator) secretProblems(d *spec.Document, problems problem.List) {
	for _, p := range problems {
		key := p.Path
		if d.UnreadKey(key) { // as spec.Parse has said
			continue
		}
		p.Object = d.Object()
		p.Position = d.Position("metadata.name")
		if _, ok := d.Secret.Data[key]; ok {
			p.Position = d.Position(d.DataPath(key))
		}
		if !v.inSecrets[p] { // a Secret may serve two kinds of place
			v.inSecrets[p] = true
			v.found = append(v.found, p)
		}
	}
}

// manualConfig judges KOPIA_MANUAL_CONFIG.
func (v *Validator) manualConfig(d *spec.Document) {
	value, ok := d.Secret.Data[manualConfigKey]
	if !ok || value.Empty() {
		return
	}
	f := policyFile{label: manualConfigKey, path: d.DataPath(manualConfigKey), doc: d}
	document, syntax := policy.ParseDocument(f.label, value.Reveal())
	if syntax != nil {
		v.policyNote(f, syntax.Note())
		return
	}
	v.found = append(v.found, problem.Problem{
		Code: "VK180", Severity: problem.Warning, Position: d.Position(f.path), Object: d.Object(), Path: manualConfigKey,
		Message: "the settings in " + manualConfigKey + " are applied, but no plan for a cluster can show them, because Secrets are not read there",
		Fix:     "move them into the manifest, as spec.kopia.compression, or into a policy ConfigMap",
	})
	for _, n := range policy.Resolve(policy.Inputs{Manual: document, FromSecret: true}, v.names).Notes {
		if n.File == f.label {
			v.policyNote(f, n)
		}
	}
}

// keysOf lists the keys of a Secret or ConfigMap as a fix.
func keysOf(d *spec.Document) string {
	var keys []string
	if d.ConfigMap != nil {
		keys = slices.Sorted(maps.Keys(d.ConfigMap.Data))
	} else {
		keys = slices.Sorted(maps.Keys(d.Secret.Data))
	}
	if len(keys) == 0 {
		return "add the key; the object has none"
	}
	const most = 10
	more := ""
	if len(keys) > most {
		more = fmt.Sprintf(" and %d more", len(keys)-most)
		keys = keys[:most]
	}
	return "use one of its keys: " + strings.Join(keys, ", ") + more
}
