package storage

import (
	"maps"
	"regexp"
	"slices"
	"strings"

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
		return remotePassword(text)
	case name == "KOPIA_REPOSITORY" && scheme == "rclone":
		return remotePassword(rest)
	case name == "KOPIA_REPOSITORY" && scheme == "filesystem":
		return ""
	case slices.Contains(addresses(), name):
		return addressPassword(rest)
	}
	return ""
}

// addresses are the places that may be written as user:password@host.
func addresses() []string {
	return []string{"KOPIA_REPOSITORY", "KOPIA_S3_ENDPOINT", "AWS_S3_ENDPOINT", "WEBDAV_URL", "SFTP_HOST"}
}

// addressPassword finds the password of user:password@host/path, also one with
// a slash in it, which then only looks like a port. An @ in a path is none.
func addressPassword(address string) string {
	authority, path, _ := strings.Cut(address, "/")
	userinfo := address[:max(0, strings.LastIndexByte(authority, '@'))]
	if _, port, ok := strings.Cut(authority, ":"); userinfo == "" && ok && !strings.HasPrefix(authority, "[") &&
		strings.Trim(port, "0123456789") != "" && strings.Contains(path, "@") {
		userinfo = address[:strings.LastIndexByte(address, '@')]
	}
	_, password, _ := strings.Cut(userinfo, ":")
	return password
}

var (
	// connection is what stands before an rclone path: remote or :backend, and parameters.
	connection = regexp.MustCompile(`^:?[^:,/]+((?:,[A-Za-z0-9_]+(?:=(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:"']*))?)+):`)
	parameter  = regexp.MustCompile(`,([A-Za-z0-9_]+)(?:=("(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:"']*))?`)
	wayIn      = regexp.MustCompile(`(?i)pass|secret|token|key`)
)

// remotePassword finds the first credential among the parameters of an rclone
// remote, as :sftp,host=h,pass=p:path.
func remotePassword(remote string) string {
	for _, p := range parameter.FindAllStringSubmatch(firstGroup(connection, remote), -1) {
		value := strings.Trim(p[2], `"'`)
		isSwitch := value == "" || value == "true" || value == "false"
		if wayIn.MatchString(p[1]) && !strings.HasSuffix(p[1], "_file") && !isSwitch {
			return value
		}
	}
	return ""
}

func firstGroup(pattern *regexp.Regexp, text string) string {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
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
			Fix:     "take it out of there and put it into " + passwordKey(name, scheme),
		})
	}
	return list
}

// passwordKey names the keys of the Secret that a password belongs in.
func passwordKey(name, scheme string) string {
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
