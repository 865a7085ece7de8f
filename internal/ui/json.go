package ui

import (
	"encoding/json"
	"io"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// jsonReport is the document of -o json.
type jsonReport struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Summary    counts       `json:"summary"`
	Problems   problem.List `json:"problems"`
}

// apiVersion is that of every JSON document of this program.
const apiVersion = "volsync-kopia/v1"

// Document is the report as scripts read it: of the kind Report.
func Document(r *Report) any {
	d := jsonReport{APIVersion: apiVersion, Kind: "Report", Summary: r.counts(), Problems: r.Problems}
	if d.Problems == nil {
		d.Problems = problem.List{}
	}
	return d
}

func encode(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
