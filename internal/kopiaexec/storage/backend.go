package storage

import (
	"bytes"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// Backend is kopia's name of a kind of storage.
type Backend string

// The backends, in the order in which the keys of a Secret are searched.
const (
	S3         Backend = "s3"
	Azure      Backend = "azureBlob"
	GCS        Backend = "gcs"
	Filesystem Backend = "filesystem"
	B2         Backend = "b2"
	WebDAV     Backend = "webdav"
	SFTP       Backend = "sftp"
	Rclone     Backend = "rclone"
	GDrive     Backend = "gdrive"
)

// backendRule says how a backend is recognised.
type backendRule struct {
	backend Backend
	// scheme is the one of KOPIA_REPOSITORY.
	scheme string
	// chosenBy are keys of which one suffices to choose the backend.
	chosenBy []string
}

// rules lists every backend in order of precedence: the first that a Secret
// chooses is used, as the documentation page's mover does.
func rules() []backendRule {
	return []backendRule{
		{S3, "s3", []string{"KOPIA_S3_BUCKET"}},
		{Azure, "azure", []string{"KOPIA_AZURE_CONTAINER"}},
		{GCS, "gcs", []string{"KOPIA_GCS_BUCKET", "GCS_BUCKET"}},
		{Filesystem, "filesystem", nil},
		{B2, "b2", []string{"KOPIA_B2_BUCKET"}},
		{WebDAV, "webdav", []string{"WEBDAV_URL"}},
		{SFTP, "sftp", []string{"SFTP_HOST"}},
		{Rclone, "rclone", []string{"RCLONE_REMOTE_PATH"}},
		{GDrive, "gdrive", []string{"GOOGLE_DRIVE_FOLDER_ID"}},
	}
}

// schemeOf is the backend's scheme of KOPIA_REPOSITORY.
func schemeOf(b Backend) string {
	for _, rule := range rules() {
		if rule.backend == b {
			return rule.scheme
		}
	}
	return ""
}

// Detection is what the keys of a Secret say about the backend.
type Detection struct {
	// Backend is the one that is used; empty: the Secret names none.
	Backend Backend
	// Because is the key that chose it.
	Because string
	// Others are backends that the Secret names too and that are not used.
	Others []Backend
}

// Detect finds the backend by the presence of keys and the scheme of
// KOPIA_REPOSITORY. The password is not part of it.
func Detect(keys Keys) Detection {
	scheme, _ := splitURL(keys.text(repositoryKey))
	var d Detection
	for _, rule := range rules() {
		because, _ := keys.first(rule.chosenBy...)
		if because == "" && scheme == rule.scheme {
			because = repositoryKey
		}
		switch {
		case because == "":
		case d.Backend == "":
			d.Backend, d.Because = rule.backend, because
		default:
			d.Others = append(d.Others, rule.backend)
		}
	}
	return d
}

// splitURL cuts scheme://rest; without a scheme both are empty or rest is all.
func splitURL(url string) (scheme, rest string) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "", url
	}
	return strings.ToLower(scheme), rest
}

func trim(v secret.Value) string { return string(bytes.TrimSpace(v.Reveal())) }
