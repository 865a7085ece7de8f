package storage

import (
	"maps"
	"slices"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"
)

// Hidden returns what must not be shown of a key's value: all of it, or of a
// place the password that it holds; empty: nothing.
func Hidden(name string, value secret.Value) string {
	text := trim(value)
	scheme, rest := splitURL(text)
	switch {
	case !isPlace(name):
		return text
	case name == "RCLONE_REMOTE_PATH":
		return secret.InRemote(text)
	case name == repositoryKey && scheme == "rclone":
		return secret.InRemote(rest)
	case name == repositoryKey && scheme == "filesystem":
		return ""
	case slices.Contains(addresses(), name):
		return secret.InAddress(rest)
	}
	return ""
}

// addresses are the places that may be written as user:password@host.
func addresses() []string {
	return []string{repositoryKey, "KOPIA_S3_ENDPOINT", "AWS_S3_ENDPOINT", "WEBDAV_URL", "SFTP_HOST"}
}

// checkPlaces reports places that hold a password: they are shown in plans,
// logs and the mover's Task.
func checkPlaces(keys Keys) problem.List {
	var list problem.List
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if !isPlace(name) || Hidden(name, keys[name]) == "" {
			continue
		}
		scheme, _ := splitURL(keys.text(name))
		list = append(list, problem.Problem{
			Code: "VK409", Severity: problem.Error, Path: name,
			Message: name + " holds a password, and is shown wherever the repository is named",
			Fix:     "take it out of there and put it into " + passwordBelongsIn(name, scheme),
		})
	}
	return list
}

// passwordBelongsIn names the keys of the Secret that a password belongs in.
func passwordBelongsIn(name, scheme string) string {
	switch {
	case name == "WEBDAV_URL", scheme == "webdav":
		return "WEBDAV_USERNAME and WEBDAV_PASSWORD"
	case name == "SFTP_HOST", scheme == "sftp":
		return "SFTP_USERNAME and SFTP_PASSWORD"
	case name == "RCLONE_REMOTE_PATH", scheme == "rclone":
		return "RCLONE_CONFIG"
	case name == "KOPIA_S3_ENDPOINT", name == "AWS_S3_ENDPOINT", scheme == "s3":
		return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	}
	return "the key of the Secret that is meant for it"
}
