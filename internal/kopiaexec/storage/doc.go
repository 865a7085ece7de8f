// Package storage turns the keys of a repository Secret, and what the manifest
// says about the place, into kopia's storage configuration.
//
// It is pure: no file is read and no network is used, so that validate, plan
// and the mover get the same answer. Credentials stay inside secret.Value
// until Location.Config renders them.
package storage

import "github.com/volsync-kopia/kubectl-volsync-kopia/internal/secret"

// Keys are the data of a repository Secret, by key.
type Keys map[string]secret.Value

// text returns a key's value without the white space around it. A trailing
// newline is the most common slip in a Secret, and no value here needs one.
func (k Keys) text(name string) string { return trim(k[name]) }

// first returns the first of the names that has a value, and its value.
func (k Keys) first(names ...string) (name, value string) {
	for _, n := range names {
		if v := k.text(n); v != "" {
			return n, v
		}
	}
	return "", ""
}

// Password returns KOPIA_PASSWORD as kopia itself reads it: trimmed.
func (k Keys) Password() secret.Value { return secret.New([]byte(k.text(passwordKey))) }

// ManualConfig returns KOPIA_MANUAL_CONFIG; empty when the key is not there.
func (k Keys) ManualConfig() secret.Value { return k[manualConfigKey] }
