package cmd

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// leastSource is the source whose run needs least: what it lacks every run lacks.
// Nothing of its name is in the cluster.
const leastSource = `apiVersion: volsync.backube/v1alpha1
kind: ReplicationSource
metadata: {name: ` + leastName + `, namespace: %s}
spec:
  sourcePVC: ` + leastName + `
  kopia: {repository: ` + leastName + `, copyMethod: Direct}
`

// kindNamespace is the kind of what is examined without a source.
const kindNamespace = "Namespace"

const leastName = "volsync-kopia-doctor"

// takeLeastSource makes the least source the input.
func (d *doctorFlags) takeLeastSource(f *Factory) error {
	namespace, err := f.namespace(false)
	if err != nil {
		return err
	}
	if d.facts != "" {
		facts, err := d.recordedFacts()
		if err != nil {
			return err
		}
		namespace = facts.Namespace.Name
	}
	d.manifests.live = []spec.Input{{Name: "namespace " + namespace, Data: fmt.Appendf(nil, leastSource, namespace)}}
	return nil
}

// examineNamespace checks what the run of any source needs, by way of the least one.
func (d *doctorFlags) examineNamespace(ctx context.Context, f *Factory, input *manifests, doc *spec.Document) (diagnosis, error) {
	facts, err := d.clusterFacts(ctx, f, doc)
	if err != nil {
		return diagnosis{}, err
	}
	// Its claim is taken for granted, so that all the rest is judged.
	facts.Claims = []plan.Claim{{
		Name: leastName, Phase: corev1.ClaimBound, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
	}}
	checks, err := d.checks(f, input, doc, facts)
	if err != nil {
		return diagnosis{}, err
	}
	checks = slices.DeleteFunc(checks, func(c check) bool {
		return slices.Contains([]string{aboutObject, aboutStorage, aboutPolicies, aboutSecret, aboutMore}, c.About)
	})
	namespace := doc.Metadata().Namespace
	if !slices.ContainsFunc(facts.Unknown, func(u plan.Unknown) bool { return u.Fact == plan.FactNamespace }) {
		checks = slices.Insert(checks, 1, check{Status: checkOK, About: "namespace", Message: namespace + " exists"})
	}
	return diagnosis{Object: result.ObjectRef{Kind: kindNamespace, Name: namespace}, Checks: checks}, nil
}
