package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// Location is a repository's place with its credentials: kopia's storage
// configuration, typed.
type Location struct {
	// Storage has exactly one backend set and no credential.
	Storage result.Storage
	// credentials are further fields of kopia's configuration.
	credentials map[string]secret.Value
}

// Type returns kopia's name of the backend.
func (l Location) Type() string { return l.Storage.Type() }

// Config renders kopia's storage JSON, {"type":...,"config":{...}}, with the
// credentials and limits in it.
func (l Location) Config(limits result.Limits) (secret.Value, error) {
	config, err := l.place()
	if err != nil {
		return secret.Value{}, err
	}
	for field, value := range l.credentials {
		config[field] = credential(field, value)
	}
	if limits.UploadBytesPerSecond > 0 {
		config["maxUploadSpeedBytesPerSecond"] = limits.UploadBytesPerSecond
	}
	if limits.DownloadBytesPerSecond > 0 {
		config["maxDownloadSpeedBytesPerSecond"] = limits.DownloadBytesPerSecond
	}
	data, err := json.Marshal(map[string]any{"type": l.Type(), "config": config})
	if err != nil {
		return secret.Value{}, fmt.Errorf("encode %s storage: %w", l.Type(), err)
	}
	return secret.New(data), nil
}

// credential renders a field: GCS and Google Drive take the credentials as
// JSON inside JSON, everything else is text.
func credential(field string, value secret.Value) any {
	if field == keyFileField {
		return json.RawMessage(value.Reveal())
	}
	return string(value.Reveal())
}

// Key names the place in 20 hex digits. Credentials are no part of it, so a
// rotated key keeps its cache; two places never share one.
func (l Location) Key() (string, error) {
	config, err := l.place()
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"type": l.Type(), "config": config})
	if err != nil {
		return "", fmt.Errorf("encode %s storage: %w", l.Type(), err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:10]), nil
}

// place is kopia's config object without credentials.
func (l Location) place() (map[string]any, error) {
	data, err := json.Marshal(l.Storage)
	if err != nil {
		return nil, fmt.Errorf("encode storage: %w", err)
	}
	var union map[string]map[string]any
	if err := json.Unmarshal(data, &union); err != nil {
		return nil, fmt.Errorf("encode storage: %w", err)
	}
	config, ok := union[l.Type()]
	if !ok {
		return nil, errors.New("no storage backend is set")
	}
	delete(config, "makeOnEmptyVolume") // the mover's own, not kopia's
	delete(config, "named")             // likewise
	return config, nil
}
