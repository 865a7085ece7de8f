package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// policyFiles reads the two policy files from where they may be read: the
// cluster's ConfigMap, or the input for a local run. A Secret is never read on
// a cluster.
func (b *builder) policyFiles(config *spec.PolicyConfig, p *policies, in *policy.Inputs) {
	p.global, p.config = spec.FileNames(config)
	for _, name := range []string{config.GlobalPolicyFilename, config.RepositoryConfigFilename} {
		if name != "" {
			p.required = append(p.required, name)
		}
	}
	name, path := config.ConfigMapName, "spec.kopia.policyConfig.configMapName"
	if config.SecretName != "" {
		name, path, p.fromSecret = config.SecretName, "spec.kopia.policyConfig.secretName", true
	}
	if name == "" {
		return
	}
	p.named, p.object = true, fmt.Sprintf("ConfigMap %q", name)
	if p.fromSecret {
		p.object = fmt.Sprintf("Secret %q", name)
	}
	var data map[string]string
	switch {
	case b.in.Env.Local != nil:
		data = b.localFiles(name, path, p.fromSecret)
	case p.fromSecret:
		p.unread = true
	default:
		data = b.clusterFiles(name, path, p)
	}
	if data != nil {
		in.Global = b.file(data, p, p.global, path)
		in.RepositoryConfig = b.file(data, p, p.config, path)
	}
}

// file parses one policy file and records its digest.
func (b *builder) file(data map[string]string, p *policies, key, path string) *policy.Document {
	text, ok := data[key]
	if !ok {
		b.missingFile(p, key, path)
		return nil
	}
	if !p.fromSecret {
		if p.sha256 == nil {
			p.sha256 = map[string]string{}
		}
		p.sha256[key] = digest(text)
	}
	return b.document(key, []byte(text))
}

// missingFile reports a key that is not there. A file that the manifest names
// must be; one with the default name need not.
func (b *builder) missingFile(p *policies, key, path string) {
	if slices.Contains(p.required, key) {
		b.find(b.policySeverity(problem.Error), codePolicyMissing, path,
			fmt.Sprintf("%s has no key %q", p.object, key), fmt.Sprintf("add the file under the key %q, or correct the file name in policyConfig", key))
	}
}

// localFiles returns the data of the policy object of the input.
func (b *builder) localFiles(name, path string, fromSecret bool) map[string]string {
	kind, data := spec.KindConfigMap, map[string]string(nil)
	if fromSecret {
		kind = spec.KindSecret
		if doc := b.inputSecret(name); doc != nil {
			data = map[string]string{}
			for key, value := range doc.Secret.Data {
				data[key] = string(value.Reveal())
			}
		}
	} else if doc := b.inputConfigMap(name); doc != nil {
		data = doc.ConfigMap.Data
	}
	if data == nil {
		b.find(problem.Error, codePolicyMissing, path,
			b.notGiven(kind, name), b.giveIt(strings.ToLower(kind), name))
	}
	return data
}

// clusterFiles returns the data of the cluster's ConfigMap, which is the one
// that the mover will read, or nil where the plan does not know it. The input's
// copy must agree with it.
func (b *builder) clusterFiles(name, path string, p *policies) map[string]string {
	var given map[string]string
	if doc := b.inputConfigMap(name); doc != nil {
		given = doc.ConfigMap.Data
	}
	live := b.in.Facts.configMap(name)
	switch {
	case live == nil && b.in.Facts.isUnknown(FactConfigMaps):
		// The digests in the Task make the mover refuse another content.
		p.unread = given == nil
		return given
	case live == nil:
		fix := fmt.Sprintf("create it from the policy file: kubectl create configmap %s -n %s --from-file=%s=FILE; or correct the name",
			name, b.object.Namespace, cmp.Or(b.kopia.PolicyConfig.GlobalPolicyFilename, b.kopia.PolicyConfig.RepositoryConfigFilename, p.global))
		if given != nil {
			fix = "create it, for a run applies nothing: kubectl apply -n " + b.object.Namespace + " -f " + b.inputConfigMap(name).At.File
		}
		b.find(problem.Error, codePolicyMissing, path,
			fmt.Sprintf("ConfigMap %q does not exist in namespace %q", name, b.object.Namespace), fix)
		return nil
	}
	if given != nil && !b.in.Options.UseCluster {
		b.compareFiles(name, path, given, live)
	}
	if live.Data == nil && len(live.SHA256) > 0 {
		p.sha256, p.unread = live.SHA256, true
		for _, key := range p.required {
			if _, there := live.SHA256[key]; !there {
				b.missingFile(p, key, path)
			}
		}
		return nil
	}
	// A ConfigMap may hold nothing at all.
	return maps.Collect(maps.All(live.Data))
}

// compareFiles refuses a cluster's ConfigMap that is not the input's.
func (b *builder) compareFiles(name, path string, given map[string]string, live *ConfigMap) {
	digests := map[string]string{}
	for key, hash := range live.SHA256 {
		digests[key] = hash
	}
	for key, text := range live.Data {
		digests[key] = digest(text)
	}
	all := map[string]bool{}
	for key := range given {
		all[key] = true
	}
	for key := range digests {
		all[key] = true
	}
	var differ []string
	for _, key := range sortedKeys(all) {
		text, here := given[key]
		hash, there := digests[key]
		if !here || !there || digest(text) != hash {
			differ = append(differ, key)
		}
	}
	if len(differ) > 0 {
		b.find(problem.Error, codePolicyDiffers, path,
			fmt.Sprintf("ConfigMap %q in the cluster differs from the input's in: %s", name, strings.Join(differ, ", ")),
			"kubectl apply the file, or accept the cluster's with --use=cluster")
	}
}

// inputSecret returns the Secret of the input, or nil.
func (b *builder) inputSecret(name string) *spec.Document {
	if b.in.Set == nil {
		return nil
	}
	return b.in.Set.SecretFor(b.object.Namespace, name)
}

// inputConfigMap returns the ConfigMap of the input, or nil.
func (b *builder) inputConfigMap(name string) *spec.Document {
	if b.in.Set == nil {
		return nil
	}
	return b.in.Set.ConfigMapFor(b.object.Namespace, name)
}

// digest is the SHA-256 of a text in hex.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
