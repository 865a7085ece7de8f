package cmd

import (
	"encoding/json"
	"io"
)

// writeJSON prints a document for scripts.
func writeJSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}
