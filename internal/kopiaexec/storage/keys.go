package storage

import (
	"maps"
	"slices"
)

// The keys of a Secret that are no backend's own.
const (
	repositoryKey   = "KOPIA_REPOSITORY"
	passwordKey     = "KOPIA_PASSWORD"
	manualConfigKey = "KOPIA_MANUAL_CONFIG"
	maintainerKey   = "KOPIA_OVERRIDE_MAINTENANCE_USERNAME"
)

// KnownKeys are all keys of a repository Secret that anything is read from, in
// order of their names: for the tests that put a secret into each.
func KnownKeys() []string {
	known := map[string]bool{passwordKey: true, manualConfigKey: true}
	for _, name := range places() {
		known[name] = true
	}
	for _, fields := range credentials() {
		for _, field := range fields {
			for _, name := range field.keys {
				known[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// keyFileField is the field of Google's JSON key file.
const keyFileField = "credentials"

// credentialKeys is a field of kopia's configuration that holds a credential, and
// the keys of which the first with a value is it.
type credentialKeys struct {
	field string
	keys  []string
}

// credentials are those of each backend.
func credentials() map[Backend][]credentialKeys {
	return map[Backend][]credentialKeys{
		S3: {
			{"accessKeyID", []string{"AWS_ACCESS_KEY_ID"}},
			{"secretAccessKey", []string{"AWS_SECRET_ACCESS_KEY"}},
			{"sessionToken", []string{"AWS_SESSION_TOKEN"}},
		},
		Azure: {
			{"storageKey", []string{"KOPIA_AZURE_STORAGE_KEY", "AZURE_STORAGE_KEY", "AZURE_ACCOUNT_KEY"}},
			{"sasToken", []string{"AZURE_STORAGE_SAS_TOKEN", "AZURE_ACCOUNT_SAS"}},
		},
		GCS:    {{keyFileField, []string{"GOOGLE_APPLICATION_CREDENTIALS"}}},
		B2:     {{"keyID", []string{"B2_ACCOUNT_ID"}}, {"key", []string{"B2_APPLICATION_KEY"}}},
		WebDAV: {{"username", []string{"WEBDAV_USERNAME"}}, {"password", []string{"WEBDAV_PASSWORD"}}},
		SFTP: {
			{"password", []string{"SFTP_PASSWORD"}},
			{"keyData", []string{"SFTP_KEY_FILE"}},
			{"knownHostsData", []string{"SFTP_KNOWN_HOSTS_DATA", "SFTP_KNOWN_HOSTS"}},
		},
		Rclone: {{"embeddedConfig", []string{"RCLONE_CONFIG"}}},
		GDrive: {{keyFileField, []string{"GOOGLE_DRIVE_CREDENTIALS"}}},
	}
}

// places are the keys whose values are no secret: they say where, or under which
// name, not how to get in.
func places() []string {
	return []string{
		repositoryKey, maintainerKey, "KOPIA_S3_BUCKET", "KOPIA_S3_ENDPOINT", "AWS_S3_ENDPOINT", "KOPIA_S3_DISABLE_TLS",
		"AWS_S3_DISABLE_TLS", "AWS_REGION", "AWS_DEFAULT_REGION", "KOPIA_S3_REGION", "AWS_PROFILE",
		"KOPIA_AZURE_CONTAINER", "KOPIA_AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT", "AZURE_ACCOUNT_NAME", "AZURE_ENDPOINT_SUFFIX",
		"KOPIA_GCS_BUCKET", "GCS_BUCKET", "GOOGLE_PROJECT_ID", "KOPIA_B2_BUCKET", "WEBDAV_URL",
		"SFTP_HOST", "SFTP_PORT", "SFTP_PATH", "SFTP_USERNAME", "RCLONE_REMOTE_PATH", "RCLONE_EXE", "GOOGLE_DRIVE_FOLDER_ID",
	}
}

// isPlace reports whether the value of a key may be shown, but for a password
// in it. Any other key's must not be, also one that is not known.
func isPlace(key string) bool { return slices.Contains(places(), key) }
