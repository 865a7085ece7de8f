package ui

import (
	"cmp"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/problem"
)

// The part of SARIF 2.1.0 (OASIS standard, March 2020) that is written. Field
// names and obligations are the standard's.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string      `json:"id"`
		ShortDescription sarifText   `json:"shortDescription"`
		FullDescription  *sarifText  `json:"fullDescription,omitempty"`
		Help             *sarifText  `json:"help,omitempty"`
		Default          sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		RuleIndex           int               `json:"ruleIndex"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
)

// WriteSARIF writes the report as SARIF 2.1.0, which code hosts show beside the
// lines of a change.
func WriteSARIF(w io.Writer, r *Report) error {
	rules, index := sarifRules(r.Problems)
	results := make([]sarifResult, 0, len(r.Problems))
	for i := range r.Problems {
		results = append(results, sarifResultOf(&r.Problems[i], index))
	}
	return encode(w, sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs: []sarifRun{{
			Tool: sarifTool{Driver: sarifDriver{
				Name: "kubectl-volsync-kopia", Version: r.Version,
				InformationURI: "https://github.com/volsync-kopia/kubectl-volsync-kopia",
				Rules:          rules,
			}},
			ColumnKind: "unicodeCodePoints",
			Results:    results,
		}},
	})
}

func sarifResultOf(p *problem.Problem, index map[string]int) sarifResult {
	location := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{URI: fileURI(p.File)}}}
	if p.Line > 0 {
		location.Physical.Region = &sarifRegion{StartLine: p.Line, StartColumn: p.Column}
	}
	if name := strings.TrimSpace(p.Object + " " + p.Path); name != "" {
		location.Logical = []sarifLogical{{FullyQualifiedName: name}}
	}
	return sarifResult{
		RuleID: p.Code, RuleIndex: index[p.Code], Level: sarifLevel(p.Severity),
		Message: sarifText{Text: sentenceWithFix(p)}, Locations: []sarifLocation{location},
		PartialFingerprints: map[string]string{"problem/v1": fingerprint(p)},
	}
}

// sarifRules describes each code that occurs, in order.
func sarifRules(problems problem.List) ([]sarifRule, map[string]int) {
	worst := map[string]problem.Severity{}
	for i := range problems {
		worst[problems[i].Code] = cmp.Or(worst[problems[i].Code], problems[i].Severity)
	}
	rules := make([]sarifRule, 0, len(worst))
	index := make(map[string]int, len(worst))
	known := documentedCodes()
	for i, id := range slices.Sorted(maps.Keys(worst)) {
		index[id] = i
		rule := sarifRule{ID: id, ShortDescription: sarifText{Text: id}, Default: sarifConfig{Level: sarifLevel(worst[id])}}
		if c, ok := known[id]; ok {
			rule.ShortDescription.Text = c.Title
			rule.FullDescription = &sarifText{Text: c.Meaning}
			rule.Help = &sarifText{Text: c.Fix}
			rule.Default.Level = sarifLevel(c.Severity)
		}
		rules = append(rules, rule)
	}
	return rules, index
}

func documentedCodes() map[string]problem.Code {
	known := map[string]problem.Code{}
	for _, c := range problem.Codes() {
		known[c.ID] = c
	}
	return known
}

func sarifLevel(s problem.Severity) string {
	if s == problem.Info {
		return "note"
	}
	return string(s)
}

// fileURI makes a relative reference of a file name; an empty one would be the
// log itself.
func fileURI(name string) string {
	return (&url.URL{Path: strings.ReplaceAll(cmp.Or(name, "<input>"), `\`, "/")}).String()
}
