package validate

import "strings"

// redirect reads <, >, >> and the like with their target, and notes the end of
// a here-document.
func (r *shellReader) redirect() {
	// The number in 2>file is no word of the command.
	if n := len(r.words); n > 0 && isIndex(r.words[n-1].text) && r.at > 0 && r.text[r.at-1] != ' ' {
		r.words = r.words[:n-1]
	}
	start := r.at
	for r.at < len(r.text) && strings.ContainsRune("<>&-|", r.text[r.at]) {
		r.at++
	}
	operator := string(r.text[start:r.at])
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t') {
		r.at++
	}
	if r.at < len(r.text) && r.text[r.at] == '(' { // <(commands)
		r.at++
		r.nested(')')
		return
	}
	before := len(r.words)
	if r.at < len(r.text) && !strings.ContainsRune("\n;&|()<>", r.text[r.at]) {
		r.word()
	}
	if len(r.words) > before {
		target := r.words[before]
		r.words = r.words[:before]
		if operator == "<<" || operator == "<<-" {
			r.heredocs = append(r.heredocs, target.text)
		}
	}
}

// skipHeredocs leaves out the text of here-documents.
func (r *shellReader) skipHeredocs() {
	for _, end := range r.heredocs {
		for r.at < len(r.text) {
			start := r.at
			r.skipLine()
			line := string(r.text[start:r.at])
			r.at = min(r.at+1, len(r.text))
			if strings.TrimLeft(line, "\t") == end {
				break
			}
		}
	}
	r.heredocs = nil
}
