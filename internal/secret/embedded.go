package secret

import (
	"regexp"
	"strings"
)

// InAddress finds the password of user:password@host/path, also one with
// a slash in it, which then only looks like a port. An @ in a path is none. It
// returns "" if there is no password.
func InAddress(address string) string {
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

// InRemote finds the first credential among the parameters of an rclone
// remote, as :sftp,host=h,pass=p:path.
func InRemote(remote string) string {
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
