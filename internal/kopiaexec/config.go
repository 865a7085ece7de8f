package kopiaexec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/argv"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// Config is what kopia needs to open a repository. Written as a file it spares
// the connect, set-client and cache-set processes.
type Config struct {
	// Storage is kopia's storage JSON, credentials included.
	Storage secret.Value
	// Password opens the repository; kopia reads it from the file beside the
	// config, so it is in no environment and no argument.
	Password secret.Value
	Identity result.Identity
	// CacheDir is this repository's own cache directory.
	CacheDir string
	// ContentCacheBytes and MetadataCacheBytes are hard limits; 0: kopia's default.
	ContentCacheBytes, MetadataCacheBytes int64
	// EnableActions lets kopia run the actions of its policies.
	EnableActions bool
	// ReadOnly has kopia open the repository for reading alone.
	ReadOnly bool
}

// Sizes of kopia's own defaults, which are soft limits.
const defaultCacheBytes = 5000 << 20

// listCacheSeconds is kopia's own default for how long a listing is trusted.
const listCacheSeconds = 30

type configFile struct {
	Storage       json.RawMessage `json:"storage"`
	Caching       caching         `json:"caching"`
	Hostname      string          `json:"hostname"`
	Username      string          `json:"username"`
	EnableActions bool            `json:"enableActions"`
	ReadOnly      bool            `json:"readonly,omitempty"`
}

type caching struct {
	CacheDirectory              string  `json:"cacheDirectory"`
	MaxCacheSize                int64   `json:"maxCacheSize"`
	ContentCacheSizeLimitBytes  int64   `json:"contentCacheSizeLimitBytes,omitempty"`
	MaxMetadataCacheSize        int64   `json:"maxMetadataCacheSize"`
	MetadataCacheSizeLimitBytes int64   `json:"metadataCacheSizeLimitBytes,omitempty"`
	MaxListCacheDuration        float64 `json:"maxListCacheDuration"`
}

// Write writes the config and the password file below workDir, both readable
// by this user alone, and returns the paths that every command takes. Kopia's
// own log files go to workDir too.
func (c Config) Write(workDir string) (argv.Paths, error) {
	paths := argv.Paths{ConfigFile: filepath.Join(workDir, "kopia.config"), LogDir: filepath.Join(workDir, "logs")}
	file := configFile{
		Storage: c.Storage.Reveal(),
		Caching: caching{
			CacheDirectory: c.CacheDir, MaxListCacheDuration: listCacheSeconds,
			MaxCacheSize: orDefault(c.ContentCacheBytes), ContentCacheSizeLimitBytes: c.ContentCacheBytes,
			MaxMetadataCacheSize: orDefault(c.MetadataCacheBytes), MetadataCacheSizeLimitBytes: c.MetadataCacheBytes,
		},
		Hostname: c.Identity.Hostname, Username: c.Identity.Username, EnableActions: c.EnableActions,
		ReadOnly: c.ReadOnly,
	}
	data, err := json.Marshal(file)
	if err != nil {
		return paths, fmt.Errorf("encode kopia's config: %w", err)
	}
	if err := writePrivate(paths.ConfigFile, data); err != nil {
		return paths, fmt.Errorf("write kopia's config: %w", err)
	}
	password := base64.StdEncoding.EncodeToString(c.Password.Reveal())
	if err := writePrivate(paths.ConfigFile+".kopia-password", []byte(password)); err != nil {
		return paths, fmt.Errorf("write kopia's password file: %w", err)
	}
	return paths, nil
}

// CreateToken returns the standard input for repository create from-config: it
// carries storage and password, so that neither is an argument or a variable.
func (c Config) CreateToken() (secret.Value, error) {
	data, err := json.Marshal(map[string]any{
		"version": "1", "storage": json.RawMessage(c.Storage.Reveal()), "password": string(c.Password.Reveal()),
	})
	if err != nil {
		return secret.Value{}, fmt.Errorf("encode the creation token: %w", err)
	}
	return secret.New([]byte(base64.RawURLEncoding.EncodeToString(data))), nil
}

func orDefault(limit int64) int64 {
	if limit > 0 {
		return limit
	}
	return defaultCacheBytes
}

// writePrivate replaces a file by one that only this user can read. The old
// one is removed first, so that its mode or a link in its place does not last.
func writePrivate(name string, data []byte) error {
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
