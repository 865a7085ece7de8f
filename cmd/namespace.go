package cmd

import (
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
)

// namespace is the one that kubectl's flags and configuration choose; empty
// means all.
func (f *Factory) namespace(all bool) (string, error) {
	if all {
		return "", nil
	}
	namespace, _, err := f.chosenNamespace()
	return namespace, err
}

// chosenNamespace is the namespace that kubectl's flags and configuration choose, and
// whether a flag did. It becomes a part of the backup's identity, so that one that no
// cluster could have is refused also where no cluster is asked.
func (f *Factory) chosenNamespace() (name string, explicit bool, err error) {
	name, explicit, err = f.Config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", false, fault.New(fault.Usage, "read the kubeconfig: %w", err).WithHint("check --kubeconfig, --context and KUBECONFIG")
	}
	if why := validation.IsDNS1123Label(name); len(why) > 0 {
		return "", false, fault.New(fault.Usage, "%q cannot be the name of a namespace: %s", name, why[0]).
			WithHint("correct -n, or the namespace of the kubeconfig's context")
	}
	return name, explicit, nil
}
