package mover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/policy"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// readSecret reads the repository Secret and works out where the repository is.
func (d *driver) readSecret() error {
	keys, err := readKeys(d.task.Repository.SecretDir)
	if err != nil {
		return refused("SecretUnreadable", fault.New(fault.Refused, "read the repository Secret: %w", err).At(d.secretName()))
	}
	d.keys = keys
	d.log.hide(keys)
	place, problems := storage.Resolve(d.task.Repository.Storage, keys)
	if err := d.report(problems); err != nil {
		return refused("RepositorySecret", fault.New(fault.Refused, "%w", err).At(d.secretName()).WithHint(firstFix(problems)))
	}
	if place.Type() != string(storage.Filesystem) {
		return refused("BackendNotSupported", fault.New(fault.Refused,
			"the repository is %s storage, and this build runs filesystem repositories only", place.Type()).At(d.secretName()).
			WithHint("use a filesystem:// repository or a repositoryPVC; the other backends come with a later release"))
	}
	d.place = place
	d.res.Repository = &result.RepositoryInfo{Type: place.Type()}
	return nil
}

// anySecret stands for a Secret whose name is not known.
const anySecret = "the repository Secret"

func (d *driver) secretName() string {
	if d.task.Repository.SecretName == "" {
		return anySecret
	}
	return fmt.Sprintf("secret %q", d.task.Repository.SecretName)
}

// report logs problems and returns the errors among them as one.
func (d *driver) report(problems problem.List) error {
	var errs []error
	for _, p := range problems {
		if p.Severity == problem.Error {
			errs = append(errs, fmt.Errorf("%s: %s", p.Code, p.Message))
		}
		d.find(p.Severity, p.Code, p.Message)
	}
	return errors.Join(errs...)
}

// firstFix is the way out of the first error.
func firstFix(problems problem.List) string {
	for _, p := range problems {
		if p.Severity == problem.Error {
			return p.Fix
		}
	}
	return ""
}

// readKeys reads a mounted Secret: one file a key. The names that start with
// two dots are the kubelet's own.
func readKeys(dir string) (storage.Keys, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	keys := storage.Keys{}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") || entry.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		keys[entry.Name()] = secret.New(content)
	}
	return keys, nil
}

// findKopia readies the runner and learns kopia's version.
func (d *driver) findKopia(ctx context.Context) error {
	program, err := kopiaexec.Find(d.task.Kopia)
	if err != nil {
		return failed("KopiaMissing", fault.New(fault.Failed, "%w", err).WithHint("use the mover image of this release, or name the program with --kopia"))
	}
	for _, dir := range []string{d.task.WorkDir, d.task.CacheDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return failed("WorkDir", fault.New(fault.Failed, "make a directory of the run: %w", err))
		}
	}
	env, err := kopiaexec.Environment(d.task.WorkDir, d.task.Repository.CustomCAFile)
	if err != nil {
		return refused("CustomCA", fault.New(fault.Refused, "%w", err))
	}
	d.runner = &kopiaexec.Runner{
		Kopia: program, Env: env, Grace: d.kopiaGrace(), OnProgress: d.log.progress, Redact: d.log.redact,
		OnLog: func(line string) { d.log.sayf("kopia: %s", line) },
	}
	d.version = d.options.KopiaVersion
	if d.version == "" {
		if d.version, err = d.runner.Version(ctx, filepath.Join(d.task.CacheDir, "kopia-version.json")); err != nil {
			if ctx.Err() != nil {
				return failed("KopiaVersion", fault.New(fault.Failed, "find kopia's version: %w", err))
			}
			return refused("KopiaVersion", fault.New(fault.Refused, "find kopia's version: %w", err).
				WithHint("install kopia, or name it with --kopia; version says which versions are supported"))
		}
	}
	d.res.KopiaVersion = d.version
	return nil
}

// defaultGrace is used when the task has none.
const defaultGrace = 150 * time.Second

func (d *driver) grace() time.Duration {
	if g := time.Duration(d.task.GracePeriod); g > 0 {
		return g
	}
	return defaultGrace
}

// configure writes kopia's config and prepares the repository's cache.
func (d *driver) configure() error {
	limits := result.Limits{
		UploadBytesPerSecond:   firstPositive(d.task.Repository.UploadBytesPerSecond, d.settings.Limits.UploadBytesPerSecond),
		DownloadBytesPerSecond: firstPositive(d.task.Repository.DownloadBytesPerSecond, d.settings.Limits.DownloadBytesPerSecond),
	}
	config, err := d.place.Config(limits)
	if err != nil {
		return failed("Config", err)
	}
	key, err := d.place.Key()
	if err != nil {
		return failed("Config", err)
	}
	d.holdCache(key)
	d.config = kopiaexec.Config{
		Storage: config, Password: d.keys.Password(), Identity: d.res.Identity, CacheDir: d.cache.Dir(),
		ContentCacheBytes:  firstPositive(d.task.Repository.ContentCacheBytes, d.settings.Caching.ContentBytes),
		MetadataCacheBytes: firstPositive(d.task.Repository.MetadataCacheBytes, d.settings.Caching.MetadataBytes),
		ReadOnly:           d.readOnly,
		EnableActions:      d.runsPolicyActions(),
	}
	if d.paths, err = d.config.Write(d.task.WorkDir); err != nil {
		return failed("Config", err)
	}
	if op := d.task.Operation; op == result.OperationBackup || op == result.OperationMaintenance { // the others upload nothing
		d.sayLimit(policy.SettingUpload, "Upload speed limit", limits.UploadBytesPerSecond, d.task.Repository.UploadBytesPerSecond)
	}
	d.sayLimit(policy.SettingDownload, "Download speed limit", limits.DownloadBytesPerSecond, d.task.Repository.DownloadBytesPerSecond)
	return nil
}

// runsPolicyActions reports whether kopia is to run actions of policies: only when
// the caller allows it and the manifest's own documents hold one.
func (d *driver) runsPolicyActions() bool {
	on := d.settings.EnableActions
	return d.task.Policy.AllowActions && (on == nil || *on) && d.settings.Desired.HasActions()
}

// sayLimit names a speed limit. One that is not the Task's own, but a Secret's, is
// named without its value.
func (d *driver) sayLimit(setting policy.Setting, what string, bytesPerSecond, planned int64) {
	switch {
	case bytesPerSecond <= 0:
	case planned <= 0 && d.settings.Origins[setting].Sensitive:
		d.log.sayf("%s: set by a Secret", what)
	default:
		d.log.sayf("%s: %s/s (%d bytes per second)", what, size(bytesPerSecond), bytesPerSecond)
	}
}

func firstPositive(values ...int64) int64 {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 0
}
