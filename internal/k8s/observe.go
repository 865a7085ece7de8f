package k8s

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// observersAtOnce bounds the requests that are under way at a time.
const observersAtOnce = 8

// Observe reads the facts that a plan asks for. What the caller may not read is
// a fact too, in Facts.Unknown with the API server's own words. The error says
// that the API server could not be asked at all.
func (c *Cluster) Observe(ctx context.Context, q plan.Questions) (plan.Facts, error) {
	o := observation{
		cluster: c, questions: q, namespace: q.Object.Namespace,
		facts: plan.Facts{APIVersion: result.APIVersion, Kind: plan.KindFacts, Namespace: plan.Namespace{Name: q.Object.Namespace}},
	}
	// The version comes first: it tells a cluster that does not answer from one
	// that refuses.
	served, err := discovery.ToServerVersionInterfaceWithContext(c.typed.Discovery()).ServerVersionWithContext(ctx)
	if err != nil {
		return plan.Facts{}, unreachable(err)
	}
	o.facts.ServerVersion = served.GitVersion
	if err := o.takeClasses(); err != nil {
		return plan.Facts{}, err
	}
	all, asking := errgroup.WithContext(ctx)
	all.SetLimit(observersAtOnce)
	for _, ask := range []func(context.Context) error{
		o.readNamespace, o.readObject, o.readHistory, o.readClaims, o.readStorageClasses, o.readSnapshotClasses,
		o.readConfigMaps, o.readQuotas, o.readRights,
	} {
		all.Go(func() error { return ask(asking) })
	}
	if err := all.Wait(); err != nil {
		return plan.Facts{}, err
	}
	if err := o.readRetainRights(ctx); err != nil {
		return plan.Facts{}, err
	}
	o.facts.Unknown = o.unknown.sorted()
	return o.facts, nil
}

// unreachable is the fault of an API server that gives no answer.
func unreachable(err error) error {
	if apierrors.IsUnauthorized(err) {
		return fault.New(fault.Refused, "the API server does not accept the credentials: %w", err).
			WithHint("log in again, or choose another --context")
	}
	return fault.New(fault.Failed, "ask the API server: %w", err).
		WithHint("check --kubeconfig and --context; with the cluster lost, --local works without it")
}

// observation collects facts; each reader fills fields of its own.
type observation struct {
	cluster   *Cluster
	questions plan.Questions
	namespace string
	facts     plan.Facts
	unknown   unknowns
}

// skip turns an answer that is no failure of the cluster into what is known: a
// thing that is not there is absent, one that may not be read is unknown. Any
// other error ends the observation.
func (o *observation) skip(err error, fact plan.FactName) error {
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err):
		o.unknown.add(fact, err)
		return nil
	}
	return fmt.Errorf("read %s: %w", fact, err)
}

// readNamespace looks at the namespace itself, also in a scheduled run: a Role can let its
// holders read the Namespace that it is in, and a privilege may have been withdrawn.
func (o *observation) readNamespace(ctx context.Context) error {
	n, err := o.cluster.typed.CoreV1().Namespaces().Get(ctx, o.namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fault.New(fault.Refused, "namespace %q does not exist", o.namespace).WithHint("choose it with -n")
	}
	if err == nil {
		o.facts.Namespace.Labels, o.facts.Namespace.Annotations = n.Labels, ourAnnotations(n.Annotations)
	}
	return o.skip(err, plan.FactNamespace)
}

// ourAnnotations keeps the annotations that a plan looks at; the others are none
// of its business.
func ourAnnotations(all map[string]string) map[string]string {
	var kept map[string]string
	for name, value := range all {
		if strings.HasPrefix(name, "volsync.backube/") || strings.HasPrefix(name, "volsync-kopia/") || strings.HasSuffix(name, "/storage-provisioner") {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = value
		}
	}
	return kept
}

func (o *observation) readConfigMaps(ctx context.Context) error {
	for _, name := range o.questions.ConfigMaps {
		m, err := o.cluster.typed.CoreV1().ConfigMaps(o.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return o.skip(err, plan.FactConfigMaps)
		}
		o.facts.ConfigMaps = append(o.facts.ConfigMaps, plan.ConfigMap{Name: name, Data: m.Data})
	}
	return nil
}

func (o *observation) readQuotas(ctx context.Context) error {
	list, err := o.cluster.typed.CoreV1().ResourceQuotas(o.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return o.skip(err, plan.FactQuotas)
	}
	for i := range list.Items {
		q := &list.Items[i]
		o.facts.Quotas = append(o.facts.Quotas, plan.Quota{Name: q.Name, Hard: q.Status.Hard, Used: q.Status.Used})
	}
	return nil
}
