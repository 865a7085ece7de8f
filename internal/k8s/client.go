package k8s

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/version"
)

// Requests a second that this client allows itself. A run makes some 40 in all;
// the default of 5 would make it wait for itself.
const (
	requestsPerSecond = 50
	requestBurst      = 100
)

// Cluster is a connection to one API server.
type Cluster struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
	// config is for the connections that commands in pods speak over.
	config *rest.Config
	// removal is how long an object that was deleted may take to be gone; zero: as
	// long as the caller waits.
	removal time.Duration
	// classes are the facts outside the namespace; nil: they are asked for.
	classes *plan.ClassFacts
}

// TakeClasses has the class facts stand in for what lies outside the namespace, which is
// then looked at neither before a run nor after it.
func (c *Cluster) TakeClasses(known *plan.ClassFacts) { c.classes = known }

// AllowRemoval sets how long each object that is deleted may take to be gone; zero
// is no limit. Without it that is plan.DefaultRemovedTimeout.
func (c *Cluster) AllowRemoval(limit time.Duration) { c.removal = limit }

// Connect makes the connection that kubectl's flags and configuration choose.
// It sends no request. Warnings that the API server attaches to its answers go
// to warnings.
func Connect(getter genericclioptions.RESTClientGetter, warnings rest.WarningHandler) (*Cluster, error) {
	config, err := getter.ToRESTConfig()
	if err != nil {
		return nil, fault.New(fault.Usage, "read the kubeconfig: %w", err).
			WithHint("check --kubeconfig, --context and KUBECONFIG")
	}
	if noCluster(getter, config) {
		return nil, fault.New(fault.Refused, "no cluster is configured").
			WithHint("name a configuration with --kubeconfig or KUBECONFIG")
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	config.UserAgent = plan.ManagedBy + "/" + version.Version
	config.WarningHandler = warnings
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client: %w", err)
	}
	return &Cluster{typed: typed, dynamic: objects, config: config, removal: plan.DefaultRemovedTimeout}, nil
}

// noCluster reports whether nothing chooses a cluster: then client-go would ask
// this machine's port 8080.
func noCluster(getter genericclioptions.RESTClientGetter, config *rest.Config) bool {
	raw, err := getter.ToRawKubeConfigLoader().RawConfig()
	return err == nil && clientcmdapi.IsConfigEmpty(&raw) && config.Host == "http://localhost:8080"
}

// resources are the kinds that a plan names. They are known beforehand, so that
// a run needs no discovery.
func resources() map[string]schema.GroupVersionResource {
	return map[string]schema.GroupVersionResource{
		"ConfigMap":              {Version: "v1", Resource: "configmaps"},
		"CronJob":                {Group: "batch", Version: "v1", Resource: "cronjobs"},
		"Job":                    {Group: "batch", Version: "v1", Resource: "jobs"},
		"KopiaMaintenance":       {Group: plan.GroupVolSync, Version: "v1alpha1", Resource: "kopiamaintenances"},
		"Lease":                  {Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
		"PersistentVolume":       {Version: "v1", Resource: "persistentvolumes"},
		"PersistentVolumeClaim":  {Version: "v1", Resource: "persistentvolumeclaims"},
		"Pod":                    {Version: "v1", Resource: "pods"},
		"ReplicationDestination": {Group: plan.GroupVolSync, Version: "v1alpha1", Resource: "replicationdestinations"},
		"ReplicationSource":      {Group: plan.GroupVolSync, Version: "v1alpha1", Resource: "replicationsources"},
		"Role":                   {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
		"RoleBinding":            {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
		"ServiceAccount":         {Version: "v1", Resource: "serviceaccounts"},
		"VolumeSnapshot":         {Group: plan.GroupSnapshot, Version: "v1", Resource: "volumesnapshots"},
		"VolumeSnapshotClass":    {Group: plan.GroupSnapshot, Version: "v1", Resource: "volumesnapshotclasses"},
		"VolumeSnapshotContent":  {Group: plan.GroupSnapshot, Version: "v1", Resource: "volumesnapshotcontents"},
	}
}

// ResourceName names an object as kubectl does, as cronjob.batch/NAME.
func ResourceName(kind, name string) string {
	resource := strings.ToLower(kind)
	if group := resources()[kind].Group; group != "" {
		resource += "." + group
	}
	return resource + "/" + name
}

// resourceOf returns the resource of a kind. A kind that no plan names is a
// defect of this program.
func resourceOf(kind string) (schema.GroupVersionResource, error) {
	gvr, ok := resources()[kind]
	if !ok {
		return gvr, fmt.Errorf("%s is no kind that a plan names", kind)
	}
	return gvr, nil
}

// objects is the client of a kind; the namespace of a cluster-scoped one is empty.
func (c *Cluster) objects(kind, namespace string) (dynamic.ResourceInterface, error) {
	gvr, err := resourceOf(kind)
	if err != nil {
		return nil, err
	}
	return c.dynamic.Resource(gvr).Namespace(namespace), nil
}
