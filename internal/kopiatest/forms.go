package kopiatest

import (
	"encoding/base64"
	"strings"
)

// SecretForms are those in which a secret may be shown: as it is, and within a longer
// text in base64, where it looks different by how many bytes stand before it.
func SecretForms(secret string) []string {
	all := []string{secret}
	const bitsOfChar = 6
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat(" ", before) + secret))
		// The characters that hold bits of the secret alone.
		from, to := (8*before+bitsOfChar-1)/bitsOfChar, 8*(before+len(secret))/bitsOfChar
		all = append(all, text[from:to])
	}
	return all
}
