package policy

// translate returns the kopia policy that a document in either spelling means,
// and what there is to say about it.
func translate(doc *Document, names Names, allowActions bool) (Object, []Note) {
	r := &resolver{in: Inputs{AllowActions: allowActions}, names: names}
	found := r.read(doc, policyRules(), false)
	policy := Object{}
	for path, s := range found.policyOnly() {
		set(policy, path, s.value)
	}
	return policy, sortNotes(r.notes)
}
