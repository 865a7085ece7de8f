package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/result"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// BackendType returns kopia's name of a storage backend for the name that a
// structured configuration uses, as azureBlob for azure.
func BackendType(name string) (string, bool) {
	switch name {
	case "filesystem", "s3", "azureBlob", "gcs", "b2", "sftp", "webdav", "rclone", "gdrive":
		return name, true
	case "azure":
		return "azureBlob", true
	case "google":
		return "gcs", true
	}
	return "", false
}

// place returns the structured storage verbatim, or nothing when it cannot be
// used. What is wrong with it is final, and so is a credential anywhere in the
// document.
func (w *walker) place() json.RawMessage {
	before := len(w.notes)
	storage := w.storage()
	w.credentials(w.doc.root, "")
	for i := range w.notes {
		n := &w.notes[i]
		n.Final = n.Severity == problem.Error && (i >= before || n.Code == codeCredential)
	}
	if hasErrors(w.notes[before:]) {
		return nil
	}
	return storage
}

// storage checks the form of the structured storage.
func (w *walker) storage() json.RawMessage {
	value, given := w.doc.root["storage"]
	if !given || value == nil {
		return nil
	}
	members, ok := value.(map[string]any)
	if !ok {
		w.wrong("/storage", "must be an object with type and config, not "+describe(value), `write it as {"type": "s3", "config": {"bucket": "backups"}}`)
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if key != "type" && key != "config" {
			w.unknown(map[string]rule{"type": {}, "config": {}}, key, join("/storage", key))
		}
	}
	w.backend(members)
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(w.doc.raw, &parts); err != nil {
		return nil
	}
	return parts["storage"]
}

func (w *walker) backend(members map[string]any) {
	known := []string{"filesystem", "s3", "azure", "gcs", "b2", "sftp", "webdav", "rclone", "gdrive"}
	name, isText := members["type"].(string)
	if _, ok := BackendType(name); !isText || !ok {
		message := `"type" must name a backend`
		if near := problem.Nearest(name, known); near != "" {
			message = fmt.Sprintf("%q is not a backend; did you mean %q?", name, near)
		}
		pointer := "/storage"
		if _, given := members["type"]; given {
			pointer += "/type"
		}
		w.note(codeUnknownName, problem.Error, pointer, message, "choose one of: "+strings.Join(known, ", "))
	}
	if config, given := members["config"]; given {
		if _, ok := config.(map[string]any); !ok {
			w.wrong("/storage/config", "must be an object, not "+describe(config), "write its keys in braces")
		}
	}
	if backend, ok := BackendType(name); ok {
		config, _ := members["config"].(map[string]any)
		w.backendConfig(backend, config)
	}
}

// backendConfig checks the keys of the place. Credentials are found elsewhere.
func (w *walker) backendConfig(backend string, config map[string]any) {
	const at = "/storage/config"
	keys := maps.Clone(config)
	maps.DeleteFunc(keys, func(key string, _ any) bool { return isCredential(key) })
	w.object(storageRules(backend), keys, at)
	dir, given := config["path"].(string)
	if given && backend == "filesystem" && (!path.IsAbs(dir) || path.Clean(dir) == "/" || slices.Contains(strings.Split(dir, "/"), "..")) {
		w.wrong(at+"/path", `must be an absolute path below the root, without ".."`, `write it as "/kopia/repository"`)
	}
}

// StorageOf returns a Resolution's structured storage as the Task carries it; the
// names are kopia's in both.
func StorageOf(storage json.RawMessage) result.Storage {
	var parts struct {
		Type   string          `json:"type"`
		Config json.RawMessage `json:"config"`
	}
	if len(storage) == 0 || json.Unmarshal(storage, &parts) != nil {
		return result.Storage{}
	}
	backend, known := BackendType(parts.Type)
	if !known {
		return result.Storage{}
	}
	if len(parts.Config) == 0 {
		parts.Config = json.RawMessage("{}")
	}
	var s result.Storage
	data, err := json.Marshal(map[string]json.RawMessage{backend: parts.Config})
	if err != nil || json.Unmarshal(data, &s) != nil {
		return result.Storage{}
	}
	if s.Filesystem != nil {
		*s.Filesystem = result.FilesystemStorage{Path: s.Filesystem.Path, Named: s.Filesystem.Path != ""}
	}
	return s
}

// credentials finds secrets at any depth, also below keys that mean nothing; an
// empty text is none. Addresses are those of the storage only.
func (w *walker) credentials(value any, pointer string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			child := join(pointer, key)
			if isCredential(key) && !isEmpty(v[key]) {
				w.credential(child)
				continue
			}
			w.credentials(v[key], child)
		}
	case []any:
		for i, item := range v {
			w.credentials(item, join(pointer, strconv.Itoa(i)))
		}
	case string:
		if strings.HasPrefix(pointer, "/storage/") && hasPassword(lastKey(pointer), v) {
			w.credential(pointer)
		}
	}
}

func (w *walker) credential(pointer string) {
	if slices.ContainsFunc(w.notes, func(n Note) bool { return n.Code == codeCredential && n.Pointer == pointer }) {
		return
	}
	w.note(codeCredential, problem.Error, pointer,
		fmt.Sprintf("%q is a credential, and everyone who can read the manifest can read it", clip(lastKey(pointer))),
		"move it to the Secret that spec.kopia.repository names, and change it at the provider")
}

// isCredential knows the secret keys of every backend's configuration, and the
// names of environment variables that end with one.
func isCredential(key string) bool {
	key = strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
	for _, end := range []string{"password", "passphrase", "accesskey", "accesskeyid", "secretkey", "storagekey", "privatekey"} {
		if strings.HasSuffix(key, end) {
			return true
		}
	}
	switch key {
	case "sessiontoken", "sastoken", "clientsecret", "clientcertificate",
		"key", "keyid", "keydata", "token",
		"credentials", "credentialsjson", "embeddedconfig", "rcloneenv":
		return true
	}
	return false
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// hasPassword reports whether a part of the storage holds a password.
func hasPassword(key, value string) bool {
	if key == "remotePath" {
		return secret.InRemote(value) != ""
	}
	scheme, rest, ok := strings.Cut(value, "://")
	switch {
	case ok:
		return scheme != "filesystem" && secret.InAddress(rest) != ""
	case key == "url", key == "host", key == "endpoint":
		return secret.InAddress(value) != ""
	}
	return false
}
