package problem

import "slices"

// clusterCodes documents VK5xx: the cluster.
func clusterCodes() []Code {
	return slices.Concat(clusterClaimCodes(), clusterCopyCodes(), clusterRunCodes(), clusterMoverCodes())
}

// clusterClaimCodes documents findings about claims, classes and nodes.
func clusterClaimCodes() []Code {
	return []Code{
		{
			ID: "VK501", Title: "Claim missing", Severity: Error,
			Meaning: "A claim that the manifest names does not exist in the namespace, cannot be read, or has lost its volume. Nothing can be backed up from it.",
			Example: "spec:\n  sourcePVC: no-such-claim",
			Fix:     "Correct the name or the namespace, or grant get on persistentvolumeclaims.",
		},
		{
			ID: "VK502", Title: "Block volume", Severity: Error,
			Meaning: "The claim is a raw block device (volumeMode: Block). Kopia backs up files, and a pod that mounts such a claim as a directory cannot start.",
			Example: "# the claim\nspec:\n  volumeMode: Block",
			Fix:     "Use a claim with volumeMode Filesystem.",
		},
		{
			ID: "VK503", Title: "ReadWriteOncePod claim in use", Severity: Error,
			Meaning: "The claim may be used by one pod only, a pod uses it, and copyMethod Direct would need a second one.",
			Example: "spec:\n  kopia:\n    copyMethod: Direct   # the claim: accessModes: [ReadWriteOncePod]",
			Fix:     "Use copyMethod Snapshot or Clone, or stop the pod.",
		},
		{
			ID: "VK504", Title: "No VolumeSnapshotClass for the driver", Severity: Error,
			Meaning: "A snapshot was asked for, but the named class does not exist, is for another driver, or the volume's driver has none.",
			Example: "spec:\n  kopia:\n    copyMethod: Snapshot\n    volumeSnapshotClassName: typo",
			Fix:     "Name a class of the claim's driver, or use copyMethod Clone or Direct.",
		},
		{
			ID: "VK505", Title: "Several VolumeSnapshotClasses", Severity: Error,
			Meaning: "The driver has several classes and not exactly one of them is marked as the default, so choosing one would be a guess.",
			Example: "spec:\n  kopia:\n    copyMethod: Snapshot",
			Fix:     "Set spec.kopia.volumeSnapshotClassName, or mark one class as the default.",
		},
		{
			ID: "VK506", Title: "Snapshots are not served", Severity: Error,
			Meaning: "The API server does not serve snapshot.storage.k8s.io/v1, so no VolumeSnapshot can be made.",
			Example: "spec:\n  kopia:\n    copyMethod: Snapshot",
			Fix:     "Install the snapshot controller with its CRDs, or use copyMethod Clone or Direct.",
		},
		{
			ID: "VK507", Title: "StorageClass missing", Severity: Error,
			Meaning: "The copy needs a StorageClass of the same driver as the source; the one that follows from the manifest does not exist or is of another driver.",
			Example: "spec:\n  kopia:\n    storageClassName: typo",
			Fix:     "Set spec.kopia.storageClassName to a class of the claim's driver.",
		},
		{
			ID: "VK508", Title: "Volumes on different nodes", Severity: Error,
			Meaning: "The mover mounts all its volumes on one node, and no node can have them all: pods hold them on different nodes, they are attached or local there, or a copy can only be read where its source is. The pod would stay Pending forever.",
			Example: "spec:\n  sourcePVC: data          # held by a pod on node-1\n  kopia:\n    copyMethod: Direct\n    repositoryPVC: backups # a local volume of node-2",
			Fix:     "Use a repository volume that every node can mount, or a copy that is not bound to a node.",
		},
	}
}

// clusterCopyCodes documents findings about the copy and what writes to it.
func clusterCopyCodes() []Code {
	return []Code{
		{
			ID: "VK509", Title: "Clone smaller than its source", Severity: Error,
			Meaning: "spec.kopia.capacity is less than the claim's own size. A clone cannot be smaller than its source; the provisioner would refuse it.",
			Example: "spec:\n  kopia:\n    copyMethod: Clone\n    capacity: 1Gi   # the claim has 10Gi",
			Fix:     "Leave capacity out, or make it at least the claim's size.",
		},
		{
			ID: "VK510", Title: "Not a point-in-time copy", Severity: Warning,
			Meaning: "copyMethod is not given, the storage cannot be snapshotted, and a pod may write to the volume while it is read. The snapshot may hold files from different moments.",
			Example: "spec:\n  sourcePVC: data\n  kopia:\n    repository: kopia-config",
			Fix:     "Set spec.kopia.copyMethod: Clone or Snapshot where the driver can, or Direct to accept it.",
		},
		{
			ID: "VK511", Title: "Snapshot classes unknown", Severity: Warning,
			Meaning: "copyMethod is not given and VolumeSnapshotClasses could not be read, so it is not known whether a snapshot could be made. Direct is used.",
			Example: "spec:\n  sourcePVC: data\n  kopia:\n    repository: kopia-config",
			Fix:     "Set spec.kopia.copyMethod, or grant list on volumesnapshotclasses.",
		},
		{
			ID: "VK512", Title: "Actions on a read-only volume", Severity: Error,
			Meaning: "Actions may write to the volume, but a ReadOnlyMany copy is mounted read-only.",
			Example: "spec:\n  kopia:\n    accessModes: [ReadOnlyMany]\n    actions:\n      beforeSnapshot: ./dump.sh",
			Fix:     "Use another access mode, or remove the actions.",
		},
		{
			ID: "VK513", Title: "Actions on the live volume", Severity: Error,
			Meaning: "With copyMethod Direct the actions would write to the volume that the application uses.",
			Example: "spec:\n  kopia:\n    copyMethod: Direct\n    actions:\n      beforeSnapshot: ./dump.sh",
			Fix:     "Use copyMethod Snapshot or Clone, or allow it with --actions-on-live-volume or the annotation volsync-kopia/actions-on-live-volume=true.",
		},
		{
			ID: "VK514", Title: "Actions are not run locally", Severity: Warning,
			Meaning: "A local run does not execute the manifest's shell commands on this machine unless it is told to.",
			Example: "spec:\n  kopia:\n    actions:\n      beforeSnapshot: ./dump.sh",
			Fix:     "Give --run-actions to run them on this machine.",
		},
	}
}

// clusterRunCodes documents findings about whether the run may start.
func clusterRunCodes() []Code {
	return []Code{
		{
			ID: "VK515", Title: "A live operator", Severity: Error,
			Meaning: "Another manager changed the object's status lately or owns a Job for it. Two drivers of one object would run over each other. With spec.paused, of a KopiaMaintenance with spec.suspend, the hand-over is safe and this is only an info.",
			Example: "spec:\n  paused: false   # while an operator is running",
			Fix:     "Pause the object first; then run this command.",
		},
		{
			ID: "VK516", Title: "The object is paused", Severity: Error,
			Meaning: "spec.paused is true, or of a KopiaMaintenance spec.suspend is true or spec.enabled false, so the object asks not to be run. With --force it runs and this is only an info.",
			Example: "spec:\n  paused: true",
			Fix:     "Set spec.paused or spec.suspend to false, or spec.enabled to true, or give --force.",
		},
		{
			ID: "VK517", Title: "The cluster has another spec", Severity: Warning,
			Meaning: "The object exists in the cluster with a spec that is not the file's. Writing its status would claim that the cluster's spec was run, so the outcome goes to the history only.",
			Example: "spec:\n  sourcePVC: data   # in the cluster: data-old",
			Fix:     "Apply the file, or run the object by its name.",
		},
		{
			ID: "VK518", Title: "Missing rights", Severity: Error,
			Meaning: "The access review denied rights that the plan's steps need. All of them are listed.",
			Example: "# no right to create volumesnapshots in the namespace",
			Fix:     "Have an administrator apply the output of doctor --print-role.",
		},
		{
			ID: "VK519", Title: "A class keeps what is made", Severity: Error,
			Meaning: "The class has the policy Retain, so deleting the copy would leave its storage behind, and the caller may not change that.",
			Example: "# the VolumeSnapshotClass\ndeletionPolicy: Retain",
			Fix:     "Use a class that deletes, or grant patch on volumesnapshotcontents or persistentvolumes.",
		},
		{
			ID: "VK520", Title: "Quota exhausted", Severity: Error,
			Meaning: "A ResourceQuota of the namespace does not leave room for what the run creates: the mover's Job and pod, the copy, a new cache claim, and the objects that keep its state.",
			Example: "# the ResourceQuota\nspec:\n  hard:\n    persistentvolumeclaims: \"1\"",
			Fix:     "Free some of it, or ask for a larger quota.",
		},
		{
			ID: "VK521", Title: "Pod Security does not admit the mover", Severity: Error,
			Meaning: "The namespace enforces a Pod Security level that the manifest's own settings exceed. The Job's pod would be rejected again and again.",
			Example: "spec:\n  kopia:\n    moverSecurityContext:\n      runAsUser: 0   # in a restricted namespace",
			Fix:     "Remove the setting, or relax the namespace's label.",
		},
	}
}

// clusterMoverCodes documents findings about what the mover is given.
func clusterMoverCodes() []Code {
	return []Code{
		{
			ID: "VK522", Title: "Policy file missing", Severity: Error,
			Meaning: "The ConfigMap or Secret with the policy files does not exist where the mover would read it, or lacks a key that the manifest names. With --policy-errors=warn a missing key is a warning.",
			Example: "spec:\n  kopia:\n    policyConfig:\n      configMapName: no-such-policies",
			Fix:     "Create the object from the policy files: kubectl create configmap NAME --from-file=global-policy.json. A run never applies it for you, and a run on this machine reads it from the input: give its manifest with another -f.",
		},
		{
			ID: "VK523", Title: "Policy files differ", Severity: Error,
			Meaning: "The policy ConfigMap in the cluster, which the mover reads, is not the one of the input, which was shown and validated.",
			Example: "data:\n  global-policy.json: '{}'   # in the cluster: another text",
			Fix:     "Apply the file, or accept the cluster's with --use=cluster.",
		},
		{
			ID: "VK524", Title: "No mover image", Severity: Error,
			Meaning: "A release knows its own mover image; a development build has none.",
			Example: "kubectl volsync-kopia backup -f source.yaml",
			Fix:     "Give --mover-image, or set VOLSYNC_KOPIA_MOVER_IMAGE.",
		},
		{
			ID: "VK525", Title: "Task too large", Severity: Error,
			Meaning: "What the mover must be told travels as an annotation of its pod, which has a limit of 256 KiB for all annotations together.",
			Example: "spec:\n  kopia:\n    policyConfig:\n      repositoryConfig: '{ ... 300 KiB ... }'",
			Fix:     "Move policies to a policy ConfigMap, and long actions to scripts.",
		},
		{
			ID: "VK526", Title: "Secret not given", Severity: Error,
			Meaning: "A local run reads the repository Secret from its input, and it is not there.",
			Example: "kubectl volsync-kopia backup -f source.yaml --local",
			Fix:     "Add the file that holds the Secret, as -f secret.yaml; kubectl get secret NAME -o yaml prints it from a cluster.",
		},
		{
			ID: "VK527", Title: "Object cannot be made", Severity: Error,
			Meaning: "An object of the plan could not be put together. This is a defect of the tool.",
			Example: "# no input should give this",
			Fix:     "Please report it with the manifest.",
		},
		{
			ID: "VK528", Title: "Cache smaller than its limits", Severity: Warning,
			Meaning: "The limits of kopia's caches add up to more than the volume that holds them; kopia's index cache needs the metadata size once more. A full emptyDir evicts the mover in the middle of a run.",
			Example: "spec:\n  kopia:\n    cacheCapacity: 1Gi\n    metadataCacheSizeLimitMB: 3000",
			Fix:     "Raise cacheCapacity, or lower the limits.",
		},
		{
			ID: "VK529", Title: "Root that must not be root", Severity: Error,
			Meaning: "The security context gives the mover uid 0 and says that it must not be root, where the container's settings count before the pod's. No kubelet starts such a container.",
			Example: "spec:\n  kopia:\n    moverSecurityContext:\n      runAsUser: 0\n      runAsNonRoot: true",
			Fix:     "Set runAsNonRoot to false, or runAsUser to another uid.",
		},
		{
			ID: "VK530", Title: "Cache claim is not used locally", Severity: Info,
			Meaning: "A run on this machine cannot mount a claim. Its cache is in its state directory, as large as cacheCapacity says.",
			Example: "kind: KopiaMaintenance\nspec:\n  cachePVC: warm-cache   # with --local",
			Fix:     "Nothing, or say with --state-dir where the cache is to be.",
		},
		{
			ID: "VK531", Title: "Cache claim is read-only", Severity: Error,
			Meaning: "The claim that cachePVC names has no other access mode than ReadOnlyMany, and kopia writes its cache.",
			Example: "kind: KopiaMaintenance\nspec:\n  cachePVC: shared-read-only",
			Fix:     "Use a claim that can be written to.",
		},
		{
			ID: "VK532", Title: "Time limit above the deadline", Severity: Warning,
			Meaning: "--timeout is longer than activeDeadlineSeconds of the KopiaMaintenance, 10800 unless it is set. The lesser of the two ends the run.",
			Example: "kubectl volsync-kopia maintenance upkeep --timeout=8h",
			Fix:     "Set spec.activeDeadlineSeconds to what the maintenance may take, and leave --timeout out.",
		},
	}
}
