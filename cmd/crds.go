package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/crd"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

const crdsLong = `Print the CustomResourceDefinitions of ReplicationSource, ReplicationDestination and
KopiaMaintenance (volsync.backube/v1alpha1), for clusters without VolSync.

With them a cluster keeps the manifests and their status, so that backup, plan, doctor and status
take a NAME, and kubectl explain describes every field. They accept what VolSync's own definitions
accept; the fields of other movers are kept as they are. Whether an object can be run is for
validate to say. No cluster is contacted.

On a cluster with VolSync leave its own definitions in place: these would replace them.

Exit codes: 0 printed, 2 the command line is wrong.`

const crdsExamples = `  # Install them on a cluster without VolSync
  kubectl volsync-kopia crds | kubectl apply -f -

  # Only two of the kinds
  kubectl volsync-kopia crds --kind ReplicationSource --kind ReplicationDestination

  # Read what a field means
  kubectl explain replicationsource.spec.kopia.retain`

// NewCRDsCommand returns the crds command.
func NewCRDsCommand(f *Factory) *cobra.Command {
	var kinds []string
	c := &cobra.Command{
		Use:     "crds",
		Short:   "Print the CustomResourceDefinitions, for clusters without VolSync",
		Long:    crdsLong,
		Example: crdsExamples,
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			documents, err := chosenCRDs(kinds)
			if err != nil {
				return usageError(c, err)
			}
			return printCRDs(f.Streams.Out, documents)
		},
	}
	c.Flags().StringArrayVar(&kinds, "kind", nil, "print only this kind: "+strings.Join(crdKinds(), ", ")+"; may be repeated")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(crdKinds(), cobra.ShellCompDirectiveNoFileComp)) // it fails for an unknown flag only
	return c
}

func crdKinds() []string {
	var kinds []string
	for _, d := range crd.Documents() {
		kinds = append(kinds, d.Kind)
	}
	return kinds
}

// chosenCRDs returns the definitions of the named kinds, in any case, or all.
func chosenCRDs(kinds []string) ([]crd.Document, error) {
	for _, kind := range kinds {
		if slices.ContainsFunc(crdKinds(), func(known string) bool { return strings.EqualFold(kind, known) }) {
			continue
		}
		message := "--kind " + quote(kind) + " is not one of " + strings.Join(crdKinds(), ", ")
		if near := problem.Nearest(kind, crdKinds()); near != "" {
			message += "; did you mean " + quote(near) + "?"
		}
		return nil, errors.New(message)
	}
	return slices.DeleteFunc(crd.Documents(), func(d crd.Document) bool {
		return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind string) bool { return strings.EqualFold(kind, d.Kind) })
	}), nil
}

// printCRDs writes one YAML stream.
func printCRDs(out io.Writer, documents []crd.Document) error {
	for i, d := range documents {
		separator := "---\n"
		if i == 0 {
			separator = ""
		}
		if _, err := io.WriteString(out, separator+d.YAML); err != nil {
			return fmt.Errorf("print the definition of %s: %w", d.Kind, err)
		}
	}
	return nil
}
