package mover

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/kopiaexec/storage"
)

// Lengths from which a value, and a part of one, is looked for in the log; a
// shorter one would be found everywhere.
const (
	minSecret = 4
	minPart   = 8
)

// hide makes the journal replace the values of the keys. Of those that name the
// place, which messages must be able to show, it replaces only a password.
func (j *journal) hide(keys storage.Keys) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, value := range keys {
		text := storage.Hidden(name, value)
		if len(text) < minSecret {
			continue
		}
		j.secrets = append(j.secrets, text, base64.StdEncoding.EncodeToString([]byte(text)))
		j.secrets = append(j.secrets, parts(text)...)
	}
	// A secret within another must not be replaced first: the rest of the longer
	// one would stay.
	slices.SortFunc(j.secrets, func(a, b string) int { return len(b) - len(a) })
}

// parts are the pieces that a secret may appear in: its lines, for a log has one
// line at a time, what stands behind a "=" there, and the texts of a JSON
// document, each with its own lines.
func parts(text string) []string {
	var found []string
	add := func(part string) {
		if part = strings.TrimSpace(part); len(part) >= minPart && part != text {
			found = append(found, part)
		}
	}
	lines := func(text string) {
		for line := range strings.Lines(text) {
			add(line)
			if _, value, ok := strings.Cut(line, " = "); ok {
				add(value)
			}
		}
	}
	lines(text)
	var document any
	if json.Unmarshal([]byte(text), &document) == nil {
		for _, leaf := range texts(document) {
			add(leaf)
			lines(leaf)
		}
	}
	return found
}

// texts are the strings of a JSON value, but for its keys.
func texts(value any) []string {
	var found []string
	switch v := value.(type) {
	case string:
		found = []string{v}
	case []any:
		for _, inner := range v {
			found = append(found, texts(inner)...)
		}
	case map[string]any:
		for _, inner := range v {
			found = append(found, texts(inner)...)
		}
	}
	return found
}

func (j *journal) redact(text string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.secrets {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	return text
}
