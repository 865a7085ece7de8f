// Package csidriver is the storage of the test cluster: a CSI driver for one
// node that keeps volumes and snapshots as directories and can be told to
// misbehave. It is for tests only; it enforces no quota.
//
// # Storage
//
// A volume's data is a directory under DATA/volumes, bind-mounted where the
// kubelet asks. A snapshot is a copy of it under DATA/snapshots, made while
// the volume may be written: it is not one point in time. Clones and volumes
// from snapshots are copies too. Copies keep owners, modes, times, links, hard
// links, extended attributes and holes. Sizes are recorded and reported, never
// enforced: inside a pod, df shows the file system of the data directory.
//
// # Class parameters
//
// A StorageClass takes, besides faults:
//
//	granularity  bytes, as in 1Gi: sizes are rounded up to it, so that the
//	             capacity and the restoreSize exceed what the claim asked for
//	rootMode     mode of an empty volume's root, octal; 0777 if unset, which
//	             lets any uid write; 0755 is what a freshly made ext4 has
//
// # Faults
//
// A fault is a name and a value. It is set for the volumes or snapshots of one
// class by a parameter of the StorageClass or VolumeSnapshotClass, and for all
// of them, at run time, by the control file DATA/faults.json: one JSON object
// of names and values. The control file is read again at every call and goes
// before the class; no file means no fault beyond the class's own. The value
// "0" (or "allowed") there lifts a fault of the class.
//
//	createVolumeFails    how often creating each volume fails, or "always"
//	createSnapshotFails  the same for cutting each snapshot
//	deleteSnapshotFails  the same for deleting each snapshot
//	nodePublishFails     the same for mounting each volume at each path
//	snapshotReadyAfter   how long each snapshot is cut but not ready, or "never"
//	cloneReadyAfter      how long a clone stays unbound, or "never"
//	restoreReadyAfter    the same for a volume from a snapshot
//	secondMount          "refused": a volume is mounted at one path at a time
//
// A failure that passes has the code UNAVAILABLE, one that does not INTERNAL;
// an unfinished clone is ABORTED and a refused mount FAILED_PRECONDITION. Each
// message starts with "injected fault". Counts and clocks of clones start anew
// with the process.
package csidriver
