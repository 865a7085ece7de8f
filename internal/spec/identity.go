package spec

import (
	"strings"
)

const (
	// fallbackIdentity stands where sanitising leaves nothing.
	fallbackIdentity = "volsync-default"
	maxUsername      = 50
)

// Identity returns the user and host names under which the source's snapshots
// are recorded: spec.kopia.username and hostname word for word, else those of
// DefaultIdentity. An empty namespace means the object's own.
func (s *ReplicationSource) Identity(namespace string) (username, hostname string) {
	if namespace == "" {
		namespace = s.Metadata.Namespace
	}
	username, hostname = DefaultIdentity(s.Metadata.Name, namespace)
	if k := s.Spec.Kopia; k != nil {
		username = given(k.Username, username)
		hostname = given(k.Hostname, hostname)
	}
	return username, hostname
}

func given(s *string, otherwise string) string {
	if s == nil || *s == "" {
		return otherwise
	}
	return *s
}

// DefaultIdentity returns the identity of an object without username and
// hostname of its own. It sanitises exactly as VolSync does, so that snapshots
// made by either are found by the other:
//
//   - username: the object's name with everything but letters, digits, "-" and
//     "_" dropped, "-" and "_" trimmed from the ends, then cut to 50 characters;
//   - hostname: the namespace with "_" turned into "-", everything but letters,
//     digits, "." and "-" dropped, "-" and "." trimmed from the ends; the name
//     treated the same way when that leaves nothing.
//
// "volsync-default" stands for an empty result. Different names can give the
// same identity ("my.app" and "myapp").
func DefaultIdentity(name, namespace string) (username, hostname string) {
	username = strings.Trim(keep(name, "-_"), "-_")
	if username == "" {
		username = fallbackIdentity
	}
	if len(username) > maxUsername {
		username = username[:maxUsername]
	}
	for _, s := range []string{namespace, name} {
		if hostname = sanitiseHostname(s); hostname != "" {
			return username, hostname
		}
	}
	return username, fallbackIdentity
}

func sanitiseHostname(s string) string {
	return strings.Trim(keep(strings.ReplaceAll(s, "_", "-"), "-."), "-.")
}

// keep drops every character of s that is neither an ASCII letter, a digit nor
// one of more.
func keep(s, more string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(more, r):
			return r
		default:
			return -1
		}
	}, s)
}

// FileNames returns the names of the two policy files, with the defaults where
// p gives none; p may be nil.
func FileNames(p *PolicyConfig) (global, repositoryConfig string) {
	global, repositoryConfig = DefaultGlobalPolicyFilename, DefaultRepositoryConfigFilename
	if p == nil {
		return global, repositoryConfig
	}
	if p.GlobalPolicyFilename != "" {
		global = p.GlobalPolicyFilename
	}
	if p.RepositoryConfigFilename != "" {
		repositoryConfig = p.RepositoryConfigFilename
	}
	return global, repositoryConfig
}
