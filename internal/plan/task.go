package plan

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
)

// Where a mover finds its things in a pod.
const (
	podData       = result.MountPath
	podWork       = "/run/volsync-kopia/work"
	podSecret     = "/run/volsync-kopia/repository"
	podTask       = "/run/volsync-kopia/task"
	podCA         = "/run/volsync-kopia/ca"
	podPolicies   = "/policies"
	podCache      = "/cache"
	podRepository = "/kopia"
	podMounts     = "/mnt"

	taskFile = "task.json"
	caFile   = "ca.crt"
	// repositoryDir below a repositoryPVC's root, as documented.
	repositoryDir = "repository"
	// configFile is where the mover writes kopia's configuration below WorkDir.
	configFile = "kopia.config"
	logDir     = "logs"
	// endMargin is what is left of the grace period when the mover must be done.
	endMargin = 10 * time.Second
	// maxTask keeps the Task well below what annotations may hold (256 KiB).
	maxTask = 200 << 10
)

// site is where the mover finds its things: the only difference between a pod
// and this machine.
type site struct {
	kopia, root, workDir, cacheDir, secretDir, policyDir, caDir string
	// repository stands in for whatever the manifest names; empty: it counts.
	repository string
	runActions bool
}

// siteOf returns the pod's places, or this machine's.
func siteOf(env Env, options Options) site {
	local := env.Local
	if local == nil {
		return site{
			kopia: "kopia", root: podData, workDir: podWork, cacheDir: podCache,
			secretDir: podSecret, policyDir: podPolicies, caDir: podCA, runActions: true,
		}
	}
	return site{
		kopia: local.KopiaPath, root: local.SourceDir, workDir: path.Join(local.WorkDir, "work"),
		cacheDir:  path.Join(local.StateDir, "cache"),
		secretDir: path.Join(local.WorkDir, "repository"), policyDir: path.Join(local.WorkDir, "policies"),
		caDir: path.Join(local.WorkDir, "ca"), repository: local.RepositoryDir, runActions: options.RunActions,
	}
}

// identity is what the snapshot is recorded under, wherever the mover runs.
// otherwise is the identity when sourcePath has the mount path in front and the
// volume no such directory: users write the path as they see it in a pod. It is
// nil when there is no such choice.
func (b *builder) identity() (id result.Identity, otherwise *result.Identity) {
	username, hostname := b.source.Identity(b.object.Namespace)
	recorded, short := result.RecordedPath(b.kopia.SourcePath, deref(b.kopia.SourcePathOverride))
	id = result.Identity{Username: username, Hostname: hostname, Path: recorded}
	if short != "" {
		otherwise = &result.Identity{Username: username, Hostname: hostname, Path: short}
	}
	return id, otherwise
}

// taskFor makes what the Tasks of all operations have in common, for a pod and
// for this machine alike.
func (b *builder) taskFor(s site, id result.Identity, p policies, c Cache) *result.Task {
	grace := time.Duration(b.in.Options.Timeouts.CancelGrace)
	return &result.Task{
		APIVersion: result.APIVersion, Kind: result.KindTask, Operation: b.operation(),
		RunID: b.in.Env.RunID, Object: b.object, Identity: id,
		Kopia: s.kopia, WorkDir: s.workDir, CacheDir: s.cacheDir,
		Repository:  b.repositoryTask(s, p, c),
		Policy:      b.policyTask(s, p),
		GracePeriod: result.Duration(max(grace-endMargin, grace/2)),
	}
}

// repositoryTask says which repository, and what may be done to it.
func (b *builder) repositoryTask(s site, p policies, c Cache) result.RepositoryTask {
	t := result.RepositoryTask{
		SecretDir: s.secretDir, SecretName: b.kopia.Repository,
		Storage: b.storage(s, p), Create: b.in.Options.CreateRepository,
		SourceHasSynced:      b.in.Facts.hasSynced() || b.in.Document.HasSynced(),
		ContentCacheBytes:    c.ContentBytes,
		MetadataCacheBytes:   c.MetadataBytes,
		UploadBytesPerSecond: p.args.UploadBytesPerSecond, DownloadBytesPerSecond: p.args.DownloadBytesPerSecond,
	}
	if b.in.Env.Local == nil {
		t.CacheCapacityBytes = c.CapacityBytes
	}
	if kept := b.in.Facts.History; kept != nil {
		t.Maintenance = kept.Maintenance
	}
	if b.customCA() != nil {
		t.CustomCAFile = path.Join(s.caDir, caFile)
	}
	return t
}

// storage is what the manifest says about the place: a repositoryPVC, or the first
// claim among moverVolumes, or the structured storage, which may be a directory of
// that claim; else nothing. Validation refuses a claim beside another place.
func (b *builder) storage(s site, p policies) result.Storage {
	structured := policy.StorageOf(p.resolved.Storage)
	onClaim := func(mount string, own result.FilesystemStorage) result.Storage {
		if dir := structured.Filesystem; dir != nil && strings.HasPrefix(dir.Path+"/", mount+"/") {
			return structured
		}
		return result.Storage{Filesystem: &own}
	}
	switch {
	case s.repository != "":
		return result.Storage{Filesystem: &result.FilesystemStorage{Path: s.repository}}
	case deref(b.kopia.RepositoryPVC) != "":
		return onClaim(podRepository, result.FilesystemStorage{Path: path.Join(podRepository, repositoryDir), MakeOnEmptyVolume: true})
	}
	for i := range b.kopia.MoverVolumes {
		if v := &b.kopia.MoverVolumes[i]; v.VolumeSource.PersistentVolumeClaim != nil {
			mount := path.Join(podMounts, v.MountPath)
			return onClaim(mount, result.FilesystemStorage{Path: mount, Mounted: b.upkeep != nil})
		}
	}
	return structured
}

// policyTask carries the inputs of the policies, not their result: the mover
// works them out by the same function.
func (b *builder) policyTask(s site, p policies) result.PolicyTask {
	t := result.PolicyTask{
		FromSecret: p.fromSecret, SHA256: p.sha256, Inline: p.inline,
		Structured: p.structured, StructuredErrors: p.structuredErrors,
		OnError: b.in.Options.PolicyErrors, AllowActions: b.in.Options.AllowPolicyActions,
	}
	if p.named {
		t.Dir, t.GlobalFile, t.RepositoryConfigFile, t.Required = s.policyDir, p.global, p.config, p.required
	}
	return t
}

// backupTask is the part that only a backup has.
func (b *builder) backupTask(s site, p policies) *result.BackupTask {
	t := &result.BackupTask{
		Root: s.root, SourcePath: b.kopia.SourcePath,
		PathOverridden: deref(b.kopia.SourcePathOverride) != "",
		Args:           p.args.Pass,
		Tags:           map[string]string{result.RunTag: b.in.Env.RunID},
		OnEmpty:        b.in.Options.OnEmpty, Prove: b.in.Options.Prove, Strict: b.in.Options.Strict,
	}
	if kept := b.in.Facts.History; kept != nil && kept.LastFiles != nil {
		t.LastHadFiles = new(*kept.LastFiles > 0)
	}
	if t.ActionsOff = b.namesActions() && b.actionsOff; t.ActionsOff {
		b.findActionsOff(p)
	}
	if !b.hasActions() {
		return t
	}
	if !s.runActions {
		b.leaveOut(codeActionsLocal, "spec.kopia.actions", "the actions are not run on this machine", "give --run-actions to run them here")
		return t
	}
	t.Actions = &result.Actions{
		Before: b.kopia.Actions.BeforeSnapshot, After: b.kopia.Actions.AfterSnapshot,
		Timeout: b.in.Options.Timeouts.Action,
	}
	return t
}

// leaveOut warns that the run does not do what the manifest asks for: in the plan,
// and in the run's Result.
func (b *builder) leaveOut(code, path, message, fix string) {
	b.find(problem.Warning, code, path, message, fix)
	b.warnings = append(b.warnings, result.Warning{Code: code, Message: message})
}

// checkTask refuses a Task that is too large to travel.
func (b *builder) checkTask(size int) {
	if size > maxTask {
		b.find(problem.Error, codeTaskTooLarge, b.kind.base,
			fmt.Sprintf("the task for the mover has %d bytes; a pod's annotations carry at most %d", size, maxTask),
			"move policies from policyConfig.repositoryConfig to a policy ConfigMap, and long actions to scripts")
	}
}
