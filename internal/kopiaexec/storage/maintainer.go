package storage

import (
	"errors"
	"strings"
	"unicode"
)

// Maintainer returns whom the Secret names as the owner of the repository's
// maintenance, as user or user@host; given is false when it names nobody. otherHost is
// the host of a user without one.
func (k Keys) Maintainer(otherHost string) (username, hostname string, given bool, err error) {
	text := k.text(maintainerKey)
	if text == "" {
		return "", "", false, nil
	}
	username, hostname, hasHost := strings.Cut(text, "@")
	if !hasHost {
		hostname = otherHost
	}
	odd := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '@' }
	if username == "" || hostname == "" || strings.ContainsFunc(username+hostname, odd) {
		return "", "", false, errors.New(maintainerKey + " is neither user nor user@host")
	}
	return username, hostname, true, nil
}
