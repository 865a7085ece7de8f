package cmd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/k8s"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
)

// completionTimeout is how long somebody who has pressed TAB is kept waiting.
const completionTimeout = 2 * time.Second

// lister lists the names in a namespace that could come next.
type lister func(ctx context.Context, f *Factory, namespace string) ([]cobra.Completion, error)

// completeNames has the shell complete a command's arguments, at most so many:
// names that the cluster holds. Whatever goes wrong, it offers nothing.
func completeNames(f *Factory, list lister, most int, command *cobra.Command) {
	command.ValidArgsFunction = func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most || elsewhere(c) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
		defer cancel()
		names := f.listWithin(ctx, list)
		return slices.DeleteFunc(names, func(completion cobra.Completion) bool {
			name, _, _ := strings.Cut(completion, "\t")
			return !strings.HasPrefix(name, typed) || slices.Contains(args, name)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// elsewhere reports whether the flags say that no name is read from the cluster.
func elsewhere(c *cobra.Command) bool {
	return slices.ContainsFunc([]string{"filename", "kustomize", "local", "facts"}, c.Flags().Changed)
}

// listWithin lists for as long as the context allows: what gives the credentials
// may not heed it.
func (f *Factory) listWithin(ctx context.Context, list lister) []cobra.Completion {
	listed := make(chan []cobra.Completion, 1)
	go func() {
		var names []cobra.Completion
		if namespace, err := f.namespace(false); err == nil {
			names, _ = list(ctx, f, namespace)
		}
		listed <- names
	}()
	select {
	case names := <-listed:
		return names
	case <-ctx.Done():
		return nil
	}
}

// sourceNames lists the ReplicationSources.
func sourceNames(ctx context.Context, f *Factory, namespace string) ([]cobra.Completion, error) {
	return objectNames(ctx, f, "replicationsources", namespace)
}

// maintenanceNames lists the KopiaMaintenances.
func maintenanceNames(ctx context.Context, f *Factory, namespace string) ([]cobra.Completion, error) {
	return objectNames(ctx, f, "kopiamaintenances", namespace)
}

// objectNames lists the objects of one of VolSync's kinds.
func objectNames(ctx context.Context, f *Factory, resource, namespace string) ([]cobra.Completion, error) {
	if _, err := k8s.Connect(f.Config, rest.NoWarnings{}); err != nil { // no cluster is configured
		return nil, err
	}
	config, err := f.Config.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects := client.Resource(schema.GroupVersionResource{Group: plan.GroupVolSync, Version: "v1alpha1", Resource: resource})
	list, err := objects.Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []cobra.Completion
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	return names, nil
}

// runNames lists the runs, the newest first, with the object and the state of each.
func runNames(ctx context.Context, f *Factory, namespace string) ([]cobra.Completion, error) {
	cluster, err := k8s.Connect(f.Config, rest.NoWarnings{})
	if err != nil {
		return nil, err
	}
	runs, err := cluster.Runs(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var names []cobra.Completion
	for _, r := range slices.Backward(runs) {
		names = append(names, cobra.CompletionWithDesc(r.ID, r.Object.Name+", "+string(r.State)))
	}
	return names, nil
}
