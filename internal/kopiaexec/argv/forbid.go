package argv

import (
	"regexp"
	"slices"
	"strings"
)

// secretName matches names of flags that may carry a credential. It only
// decides what is shown, so it may well match too much.
var secretName = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|cred|sas|auth|cert|private|account|env`)

// ban says why a flag is refused and what to do instead.
type ban struct{ reason, fix string }

// findBan reports whether a flag that is not allowed is one that must not be
// given, in contrast to one that does not exist. Spelling variants that kopia
// itself would not take (upper case, underscores, a negation) are caught too,
// so that the answer names the true reason.
func findBan(t *Table, command, name string) (ban, bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	for _, n := range []string{name, strings.TrimPrefix(name, "no-")} {
		if b, ok := namedBan(n); ok {
			return b, true
		}
		if _, ok := t.Lookup(command, n); ok {
			return ban{"it is not among the flags that a manifest may set", "remove it"}, true
		}
		if slices.Contains(t.Connection, n) {
			return ban{"it says where the repository is or how to log in to it, and is no flag of this command", "set it in the repository Secret or policyConfig.repositoryConfig"}, true
		}
		if _, ok := t.Lookup(CommandRepositoryCreate, n); ok {
			return ban{"it is a flag of the creation of a repository or its connection", "set it in policyConfig: repository.config"}, true
		}
	}
	return ban{}, false
}

// namedBan returns the reason for flags that need a better one than "not in
// the list". Some of them are no flags of kopia at all, but users try them.
func namedBan(name string) (ban, bool) {
	switch name {
	case "password", "access-key", "secret-access-key", "session-token", "storage-key", "storage-account", "sas-token",
		"credentials-file", "key", "key-id", "keyfile", "key-data", "token", "token-file", "token-stdin", "client-secret", "client-cert",
		"sftp-password", "webdav-password", "webdav-username", "metrics-push-password", "metrics-push-username", "use-keyring", "persist-credentials":
		return ban{"credentials on a command line can be read by everyone on the node", "put it in the repository Secret and remove the argument"}, true
	case "config", "config-file", "repository", "cache-directory", "log-dir", "log-file", "content-log-file",
		"disable-file-logging", "disable-content-log":
		return ban{"the mover manages its own configuration, cache and logs", "remove it"}, true
	case "override-source", "override-username", "override-hostname", "username", "hostname":
		return ban{"it would record the snapshot under another identity", "use spec.kopia.username, hostname or sourcePathOverride"}, true
	case "all", "stdin-file":
		return ban{"it would back up something else than the volume", "remove it; spec.kopia.sourcePath chooses a directory"}, true
	case "start-time", "end-time":
		return ban{"it would record a time at which nothing was backed up", "remove it"}, true
	case "json", "json-indent", "json-verbose":
		return ban{"the mover reads kopia's output and sets its form", "remove it"}, true
	case "enable-actions", "force-enable-actions":
		return ban{"it would run actions found in the repository", "use spec.kopia.actions"}, true
	case "auto-maintenance":
		return ban{"a backup never runs maintenance, and the mover already says so to kopia", "remove it; maintenance is a KopiaMaintenance of its own"}, true
	case "delete-extra":
		return ban{"it removes files before the restored data is proved, lost+found among them", "use spec.kopia.enableFileDeletion"}, true
	case "snapshot-time":
		return ban{"the snapshot is chosen by the manifest", "use spec.kopia.restoreAsOf or previous"}, true
	case "mode":
		return ban{"a restore writes files to the volume, never an archive", "remove it"}, true
	case "help", "help-full", "help-long", "help-man", "version", "completion-bash", "completion-script-bash", "completion-script-zsh":
		return ban{"kopia would print something and do nothing, with success", "remove it"}, true
	case "dangerous-commands", "advanced-commands", "ignore-missing-required-features":
		return ban{"it switches kopia's own safeguards off", "remove it"}, true
	case "log-level", "file-log-level":
		return ban{"the mover reads kopia's output and sets how much there is", "remove it"}, true
	}
	return ban{}, false
}
