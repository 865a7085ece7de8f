package spec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// GroupVersion is the apiVersion of the three VolSync kinds.
const GroupVersion = "volsync.backube/v1alpha1"

// The kinds that are read.
const (
	KindReplicationSource      = "ReplicationSource"
	KindReplicationDestination = "ReplicationDestination"
	KindKopiaMaintenance       = "KopiaMaintenance"
	KindSecret                 = "Secret"
	KindConfigMap              = "ConfigMap"
)

// Metadata is the part of an object's metadata that is used.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	UID         string            `json:"uid,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ReplicationSource describes a backup: the union of the documentation page and
// the last published CRD.
type ReplicationSource struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"`
	Metadata   Metadata              `json:"metadata"`
	Spec       ReplicationSourceSpec `json:"spec"`
}

// ReplicationSourceSpec is the spec of a ReplicationSource.
type ReplicationSourceSpec struct {
	SourcePVC string       `json:"sourcePVC,omitempty"`
	Trigger   *Trigger     `json:"trigger,omitempty"`
	Kopia     *KopiaSource `json:"kopia,omitempty"`
	Paused    bool         `json:"paused,omitempty"`
}

// Trigger says when an object runs by itself.
type Trigger struct {
	// Schedule is a cron expression of five fields or an @word.
	Schedule *string `json:"schedule,omitempty"`
	// Manual is a tag: the object runs when it differs from status.lastManualSync.
	Manual string `json:"manual,omitempty"`
}

// VolumeOptions say how the point-in-time volume is made.
type VolumeOptions struct {
	CopyMethod              CopyMethod                          `json:"copyMethod,omitempty"`
	Capacity                *resource.Quantity                  `json:"capacity,omitempty"`
	StorageClassName        *string                             `json:"storageClassName,omitempty"`
	AccessModes             []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`
	VolumeSnapshotClassName *string                             `json:"volumeSnapshotClassName,omitempty"`
}

// CopyMethod is how the point-in-time volume is made.
type CopyMethod string

// The copy methods. CopyNone is upstream's other word for Direct.
const (
	CopyDirect   CopyMethod = "Direct"
	CopyNone     CopyMethod = "None"
	CopyClone    CopyMethod = "Clone"
	CopySnapshot CopyMethod = "Snapshot"
)

// Megabyte is kopia's: the cache limits count in millions of bytes.
const Megabyte = 1_000_000

// CacheOptions say where kopia keeps its cache.
type CacheOptions struct {
	CacheCapacity            *resource.Quantity                  `json:"cacheCapacity,omitempty"`
	CacheStorageClassName    *string                             `json:"cacheStorageClassName,omitempty"`
	CacheAccessModes         []corev1.PersistentVolumeAccessMode `json:"cacheAccessModes,omitempty"`
	MetadataCacheSizeLimitMB *int32                              `json:"metadataCacheSizeLimitMB,omitempty"`
	ContentCacheSizeLimitMB  *int32                              `json:"contentCacheSizeLimitMB,omitempty"`
}

// MoverOptions shape the mover pod.
type MoverOptions struct {
	MoverSecurityContext *corev1.PodSecurityContext   `json:"moverSecurityContext,omitempty"`
	MoverServiceAccount  *string                      `json:"moverServiceAccount,omitempty"`
	MoverPodLabels       map[string]string            `json:"moverPodLabels,omitempty"`
	MoverResources       *corev1.ResourceRequirements `json:"moverResources,omitempty"`
	MoverAffinity        *corev1.Affinity             `json:"moverAffinity,omitempty"`
	MoverVolumes         []MoverVolume                `json:"moverVolumes,omitempty"`
}

// MoverVolume is a volume mounted at /mnt/<mountPath> in the mover.
type MoverVolume struct {
	MountPath    string            `json:"mountPath"`
	VolumeSource MoverVolumeSource `json:"volumeSource"`
}

// MoverVolumeSource is the union of the volumes that a mover may mount.
type MoverVolumeSource struct {
	Secret                *corev1.SecretVolumeSource                `json:"secret,omitempty"`
	NFS                   *corev1.NFSVolumeSource                   `json:"nfs,omitempty"`
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource `json:"persistentVolumeClaim,omitempty"`
}

// CustomCA names a Secret or ConfigMap with a CA certificate.
type CustomCA struct {
	SecretName    string `json:"secretName,omitempty"`
	ConfigMapName string `json:"configMapName,omitempty"`
	Key           string `json:"key,omitempty"`
}

// KopiaSource is spec.kopia of a ReplicationSource.
type KopiaSource struct {
	VolumeOptions `json:",inline"`
	CacheOptions  `json:",inline"`
	MoverOptions  `json:",inline"`

	Repository    string    `json:"repository,omitempty"`
	RepositoryPVC *string   `json:"repositoryPVC,omitempty"`
	CustomCA      *CustomCA `json:"customCA,omitempty"`

	SourcePath         string  `json:"sourcePath,omitempty"`
	SourcePathOverride *string `json:"sourcePathOverride,omitempty"`
	Username           *string `json:"username,omitempty"`
	Hostname           *string `json:"hostname,omitempty"`

	Retain         *Retain       `json:"retain,omitempty"`
	Compression    string        `json:"compression,omitempty"`
	Parallelism    *int32        `json:"parallelism,omitempty"`
	Actions        *Actions      `json:"actions,omitempty"`
	PolicyConfig   *PolicyConfig `json:"policyConfig,omitempty"`
	AdditionalArgs []string      `json:"additionalArgs,omitempty"`
}

// Retain says how many snapshots are kept; an absent field inherits.
type Retain struct {
	Hourly  *int32 `json:"hourly,omitempty"`
	Daily   *int32 `json:"daily,omitempty"`
	Weekly  *int32 `json:"weekly,omitempty"`
	Monthly *int32 `json:"monthly,omitempty"`
	Yearly  *int32 `json:"yearly,omitempty"`
	Latest  *int32 `json:"latest,omitempty"`
}

// Actions are shell commands that the mover runs around a snapshot.
type Actions struct {
	BeforeSnapshot string `json:"beforeSnapshot,omitempty"`
	AfterSnapshot  string `json:"afterSnapshot,omitempty"`
}

// Default names of the policy files.
const (
	DefaultGlobalPolicyFilename     = "global-policy.json"
	DefaultRepositoryConfigFilename = "repository.config"
)

// PolicyConfig names the policy files, or holds the repository configuration.
type PolicyConfig struct {
	SecretName               string `json:"secretName,omitempty"`
	ConfigMapName            string `json:"configMapName,omitempty"`
	GlobalPolicyFilename     string `json:"globalPolicyFilename,omitempty"`
	RepositoryConfigFilename string `json:"repositoryConfigFilename,omitempty"`
	// RepositoryConfig is JSON text, the structured repository configuration.
	RepositoryConfig *string `json:"repositoryConfig,omitempty"`
}

// ReplicationDestination describes a restore.
type ReplicationDestination struct {
	APIVersion string                     `json:"apiVersion"`
	Kind       string                     `json:"kind"`
	Metadata   Metadata                   `json:"metadata"`
	Spec       ReplicationDestinationSpec `json:"spec"`
}

// ReplicationDestinationSpec is the spec of a ReplicationDestination.
type ReplicationDestinationSpec struct {
	Trigger *Trigger          `json:"trigger,omitempty"`
	Kopia   *KopiaDestination `json:"kopia,omitempty"`
	Paused  bool              `json:"paused,omitempty"`
}

// KopiaDestination is spec.kopia of a ReplicationDestination.
type KopiaDestination struct {
	VolumeOptions `json:",inline"`
	CacheOptions  `json:",inline"`
	MoverOptions  `json:",inline"`

	DestinationPVC  *string   `json:"destinationPVC,omitempty"`
	CleanupTempPVC  bool      `json:"cleanupTempPVC,omitempty"`
	CleanupCachePVC bool      `json:"cleanupCachePVC,omitempty"`
	Repository      string    `json:"repository,omitempty"`
	CustomCA        *CustomCA `json:"customCA,omitempty"`

	RestoreAsOf        *metav1.Time    `json:"restoreAsOf,omitempty"`
	Previous           *int32          `json:"previous,omitempty"`
	Shallow            *int32          `json:"shallow,omitempty"`
	EnableFileDeletion bool            `json:"enableFileDeletion,omitempty"`
	SourceIdentity     *SourceIdentity `json:"sourceIdentity,omitempty"`
	Username           *string         `json:"username,omitempty"`
	Hostname           *string         `json:"hostname,omitempty"`
	PolicyConfig       *PolicyConfig   `json:"policyConfig,omitempty"`
	AdditionalArgs     []string        `json:"additionalArgs,omitempty"`
}

// SourceIdentity names the source whose snapshots are restored.
type SourceIdentity struct {
	SourceName         string  `json:"sourceName,omitempty"`
	SourceNamespace    string  `json:"sourceNamespace,omitempty"`
	SourcePVCName      string  `json:"sourcePVCName,omitempty"`
	SourcePathOverride *string `json:"sourcePathOverride,omitempty"`
}

// KopiaMaintenance describes the upkeep of a repository.
type KopiaMaintenance struct {
	APIVersion string               `json:"apiVersion"`
	Kind       string               `json:"kind"`
	Metadata   Metadata             `json:"metadata"`
	Spec       KopiaMaintenanceSpec `json:"spec"`
}

// KopiaMaintenanceSpec is the spec of a KopiaMaintenance.
type KopiaMaintenanceSpec struct {
	CacheOptions `json:",inline"`

	Repository MaintenanceRepository `json:"repository"`
	Trigger    *Trigger              `json:"trigger,omitempty"`
	// Schedule is deprecated in favour of trigger.schedule.
	Schedule                   string                       `json:"schedule,omitempty"`
	Enabled                    *bool                        `json:"enabled,omitempty"`
	Suspend                    *bool                        `json:"suspend,omitempty"`
	SuccessfulJobsHistoryLimit *int32                       `json:"successfulJobsHistoryLimit,omitempty"`
	FailedJobsHistoryLimit     *int32                       `json:"failedJobsHistoryLimit,omitempty"`
	Resources                  *corev1.ResourceRequirements `json:"resources,omitempty"`
	ActiveDeadlineSeconds      *int64                       `json:"activeDeadlineSeconds,omitempty"`
	ServiceAccountName         *string                      `json:"serviceAccountName,omitempty"`
	PodSecurityContext         *corev1.PodSecurityContext   `json:"podSecurityContext,omitempty"`
	ContainerSecurityContext   *corev1.SecurityContext      `json:"containerSecurityContext,omitempty"`
	MoverPodLabels             map[string]string            `json:"moverPodLabels,omitempty"`
	NodeSelector               map[string]string            `json:"nodeSelector,omitempty"`
	Tolerations                []corev1.Toleration          `json:"tolerations,omitempty"`
	Affinity                   *corev1.Affinity             `json:"affinity,omitempty"`
	CachePVC                   *string                      `json:"cachePVC,omitempty"`
	MoverVolumes               []MoverVolume                `json:"moverVolumes,omitempty"`
}

// MaintenanceRepository names the repository of a KopiaMaintenance.
type MaintenanceRepository struct {
	Repository     string    `json:"repository,omitempty"`
	CustomCA       *CustomCA `json:"customCA,omitempty"`
	RepositoryType string    `json:"repositoryType,omitempty"`
}

// Secret is a Secret of the input, data and stringData merged as the API
// server does (stringData wins).
type Secret struct {
	Metadata Metadata
	Type     string
	Data     map[string]secret.Value
}

// ConfigMap is a ConfigMap of the input; data and binaryData merged.
type ConfigMap struct {
	Metadata Metadata
	Data     map[string]string
}
