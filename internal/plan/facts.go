package plan

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// KindFacts is the kind of a recorded Facts document.
const KindFacts = "Facts"

// Facts is everything that a plan may know about the cluster. It is plain data:
// recorded once, it gives the same plan offline. What could not be read is in
// Unknown with its reason; a missing right is a fact, not an error.
type Facts struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// ServerVersion is the API server's gitVersion, as "v1.37.2".
	ServerVersion string `json:"serverVersion,omitempty"`
	// SnapshotAPI tells whether snapshot.storage.k8s.io/v1 is served.
	SnapshotAPI bool      `json:"snapshotAPI,omitempty"`
	Namespace   Namespace `json:"namespace"`
	// Object is the live object of the run; nil: it is not in the cluster.
	Object *Object `json:"object,omitempty"`
	// History is what earlier runs left in the object's history; nil: none did.
	History *History `json:"history,omitempty"`
	// Claims are the claims that the plan can name: the source, the repository's,
	// those of moverVolumes and the kept cache. One that is absent does not exist.
	Claims          []Claim         `json:"claims,omitempty"`
	StorageClasses  []StorageClass  `json:"storageClasses,omitempty"`
	SnapshotClasses []SnapshotClass `json:"snapshotClasses,omitempty"`
	// ConfigMaps are the policy ConfigMaps; one that is absent does not exist.
	ConfigMaps []ConfigMap `json:"configMaps,omitempty"`
	Quotas     []Quota     `json:"quotas,omitempty"`
	// Rights are the answers of the access review, asked rights only.
	Rights  []Right   `json:"rights,omitempty"`
	Unknown []Unknown `json:"unknown,omitempty"`
}

// FactName names a part of Facts that can be unknown.
type FactName string

// The facts that can be unknown.
const (
	FactNamespace       FactName = "namespace"
	FactObject          FactName = "object"
	FactClaims          FactName = "claims"
	FactVolumes         FactName = "volumes"
	FactAttachments     FactName = "attachments"
	FactConsumers       FactName = "consumers"
	FactStorageClasses  FactName = "storageClasses"
	FactSnapshotClasses FactName = "snapshotClasses"
	FactConfigMaps      FactName = "configMaps"
	FactQuotas          FactName = "quotas"
)

// Unknown is a fact that could not be read, and why.
type Unknown struct {
	Fact FactName `json:"fact"`
	// Reason is the API server's or the client's own text.
	Reason string `json:"reason"`
}

// Namespace is the namespace of the run.
type Namespace struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Object is the live object of the run, with the status that earlier runs left.
type Object struct {
	UID string `json:"uid,omitempty"`
	// Spec is the live spec, to tell whether it is the file's.
	Spec           json.RawMessage `json:"spec,omitempty"`
	LastManualSync string          `json:"lastManualSync,omitempty"`
	LastSyncTime   *metav1.Time    `json:"lastSyncTime,omitempty"`
	// Managers wrote the status, from metadata.managedFields.
	Managers []Manager `json:"managers,omitempty"`
	// Jobs are Jobs that have the object as their controller, by name: an
	// operator's, as this tool's Jobs have no controller.
	Jobs []string `json:"jobs,omitempty"`
}

// History is what this tool itself has kept of an object's earlier runs, in the
// history ConfigMap or in local state.
type History struct {
	LastManualSync string       `json:"lastManualSync,omitempty"`
	LastSyncTime   *metav1.Time `json:"lastSyncTime,omitempty"`
	// LastFiles is how many files the source held at the last proved snapshot, what
	// could not be read among them; nil: unknown.
	LastFiles *int64 `json:"lastFiles,omitempty"`
	// Maintenance is the maintenance schedule that a run was the last to set.
	Maintenance *result.MaintenanceSet `json:"maintenance,omitempty"`
}

// Manager is a field manager that wrote the object's status.
type Manager struct {
	Name string      `json:"name"`
	Time metav1.Time `json:"time"`
}

// Claim is a PersistentVolumeClaim with what is known of its volume and users.
type Claim struct {
	Name         string                              `json:"name"`
	UID          string                              `json:"uid,omitempty"`
	Annotations  map[string]string                   `json:"annotations,omitempty"`
	StorageClass *string                             `json:"storageClass,omitempty"`
	VolumeMode   corev1.PersistentVolumeMode         `json:"volumeMode,omitempty"`
	AccessModes  []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`
	// Requested is spec.resources.requests.storage, Capacity status.capacity.
	Requested *resource.Quantity                `json:"requested,omitempty"`
	Capacity  *resource.Quantity                `json:"capacity,omitempty"`
	Phase     corev1.PersistentVolumeClaimPhase `json:"phase,omitempty"`
	Volume    *Volume                           `json:"volume,omitempty"`
	// Consumers are the pods that use the claim and have not ended.
	Consumers []Consumer `json:"consumers,omitempty"`
}

// Volume is the PersistentVolume behind a claim.
type Volume struct {
	Name string `json:"name"`
	// Driver is the CSI driver; empty: not a CSI volume.
	Driver       string                     `json:"driver,omitempty"`
	NodeAffinity *corev1.VolumeNodeAffinity `json:"nodeAffinity,omitempty"`
	ClaimUID     string                     `json:"claimUID,omitempty"`
	// AttachedTo is the node that a VolumeAttachment holds the volume on; empty:
	// none does, or FactAttachments is unknown.
	AttachedTo string `json:"attachedTo,omitempty"`
}

// Consumer is a pod that uses a claim.
type Consumer struct {
	Pod   string          `json:"pod"`
	Node  string          `json:"node,omitempty"`
	Phase corev1.PodPhase `json:"phase"`
	// ReadOnly is true when the pod cannot write to the claim.
	ReadOnly    bool                `json:"readOnly,omitempty"`
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// NodeLabels are the topology labels of Node, when nodes may be read.
	NodeLabels map[string]string `json:"nodeLabels,omitempty"`
}

// StorageClass is what a plan needs of a StorageClass.
type StorageClass struct {
	Name          string                               `json:"name"`
	Provisioner   string                               `json:"provisioner"`
	BindingMode   storagev1.VolumeBindingMode          `json:"bindingMode,omitempty"`
	ReclaimPolicy corev1.PersistentVolumeReclaimPolicy `json:"reclaimPolicy,omitempty"`
	Default       bool                                 `json:"default,omitempty"`
}

// SnapshotClass is what a plan needs of a VolumeSnapshotClass.
type SnapshotClass struct {
	Name   string `json:"name"`
	Driver string `json:"driver"`
	// DeletionPolicy is Delete or Retain.
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
	Default        bool   `json:"default,omitempty"`
}

// ConfigMap is a policy ConfigMap: its content, or, where the content was not
// recorded, the SHA-256 of each key in hex.
type ConfigMap struct {
	Name   string            `json:"name"`
	Data   map[string]string `json:"data,omitempty"`
	SHA256 map[string]string `json:"sha256,omitempty"`
}

// Quota is what a ResourceQuota allows and what is used of it.
type Quota struct {
	Name string              `json:"name"`
	Hard corev1.ResourceList `json:"hard,omitempty"`
	Used corev1.ResourceList `json:"used,omitempty"`
}

// Right is one answer of an access review.
type Right struct {
	Verb     string `json:"verb"`
	Group    string `json:"group,omitempty"`
	Resource string `json:"resource"`
	Allowed  bool   `json:"allowed"`
}

// ParseFacts reads recorded facts from YAML or JSON. An unknown field is an
// error: a misspelt fact would silently change the plan.
func ParseFacts(data []byte) (Facts, error) {
	var f Facts
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		return Facts{}, fmt.Errorf("reading facts: %w", err)
	}
	if f.APIVersion != result.APIVersion || f.Kind != KindFacts {
		return Facts{}, fmt.Errorf("reading facts: want apiVersion %s, kind %s; found %q, %q",
			result.APIVersion, KindFacts, f.APIVersion, f.Kind)
	}
	return f, nil
}

// Encode returns the facts as YAML, ready for ParseFacts.
func (f Facts) Encode() ([]byte, error) {
	f.APIVersion, f.Kind = result.APIVersion, KindFacts
	out, err := yaml.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("writing facts: %w", err)
	}
	return out, nil
}

// lastManualSync is the manual tag that was served last: the object's status
// says so, or for an object that is not in the cluster the history.
func (f *Facts) lastManualSync() string {
	switch {
	case f.Object != nil:
		return f.Object.LastManualSync
	case f.History != nil:
		return f.History.LastManualSync
	}
	return ""
}

// hasSynced reports whether any run is known to have left a proved snapshot.
func (f *Facts) hasSynced() bool {
	live, kept := f.Object, f.History
	return live != nil && live.LastSyncTime != nil || kept != nil && (kept.LastSyncTime != nil || kept.LastFiles != nil)
}

// isUnknown reports whether the fact could not be read.
func (f *Facts) isUnknown(name FactName) bool {
	_, unknown := f.reason(name)
	return unknown
}

// reason returns why the fact could not be read.
func (f *Facts) reason(name FactName) (reason string, unknown bool) {
	i := slices.IndexFunc(f.Unknown, func(u Unknown) bool { return u.Fact == name })
	if i < 0 {
		return "", false
	}
	return f.Unknown[i].Reason, true
}

// claim returns the claim of the name, or nil.
func (f *Facts) claim(name string) *Claim {
	return find(f.Claims, func(c *Claim) bool { return c.Name == name })
}

// storageClass returns the class of the name, or nil.
func (f *Facts) storageClass(name string) *StorageClass {
	return find(f.StorageClasses, func(c *StorageClass) bool { return c.Name == name })
}

// snapshotClass returns the class of the name, or nil.
func (f *Facts) snapshotClass(name string) *SnapshotClass {
	return find(f.SnapshotClasses, func(c *SnapshotClass) bool { return c.Name == name })
}

// configMap returns the ConfigMap of the name, or nil.
func (f *Facts) configMap(name string) *ConfigMap {
	return find(f.ConfigMaps, func(c *ConfigMap) bool { return c.Name == name })
}

// denied reports whether the access review said no; a right that was not asked
// for is not denied.
func (f *Facts) denied(verb, group, res string) bool {
	return slices.Contains(f.Rights, Right{Verb: verb, Group: group, Resource: res})
}

// allowed reports whether the access review said yes.
func (f *Facts) allowed(verb, group, res string) bool {
	return slices.Contains(f.Rights, Right{Verb: verb, Group: group, Resource: res, Allowed: true})
}

// find returns a pointer to the first element that matches, or nil.
func find[T any](list []T, match func(*T) bool) *T {
	for i := range list {
		if match(&list[i]) {
			return &list[i]
		}
	}
	return nil
}
