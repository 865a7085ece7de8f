package spec

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonAsYAML rewrites the two escapes of JSON that the YAML parser does not
// know: an escaped slash and a surrogate pair. Text that is not JSON, and JSON
// without them, is returned as it is. A rewritten line gets shorter, so columns
// behind an escape are a little too small.
func jsonAsYAML(text []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return text
	}
	if !bytes.Contains(text, []byte(`\/`)) && !bytes.Contains(bytes.ToLower(text), []byte(`\ud`)) || !json.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			out = append(out, text[i])
			i++
			continue
		}
		switch pair := surrogates(text[i:]); {
		case text[i+1] == '/':
			out = append(out, '/')
			i += len(`\/`)
		case pair >= 0:
			out = utf8.AppendRune(out, pair)
			i += pairLength
		default:
			out = append(out, text[i], text[i+1])
			i += 2
		}
	}
	return out
}

const pairLength = len(`\ud83d\ude00`)

// surrogates decodes the surrogate pair that text begins with, or returns -1.
func surrogates(text []byte) rune {
	if len(text) < pairLength || text[1] != 'u' || text[6] != '\\' || text[7] != 'u' {
		return -1
	}
	high, err1 := strconv.ParseUint(string(text[2:6]), 16, 16)
	low, err2 := strconv.ParseUint(string(text[8:12]), 16, 16)
	if err1 != nil || err2 != nil {
		return -1
	}
	if r := utf16.DecodeRune(rune(high), rune(low)); r != utf8.RuneError {
		return r
	}
	return -1
}
