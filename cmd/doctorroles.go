package cmd

import (
	"fmt"
	"io"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/fault"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/plan"
	"github.com/volsync-kopia/kubectl-volsync-kopia/internal/spec"
)

// printRoles prints one Role a namespace with the rights of all documents there,
// its bindings, and the optional ClusterRoles. besides are rights that no document
// asks for.
func printRoles(w io.Writer, docs []*spec.Document, besides []plan.Rule, names []string) error {
	subjects := make([]rbacv1.Subject, len(names))
	for i, name := range names {
		subject, err := subjectOf(name)
		if err != nil {
			return err
		}
		subjects[i] = subject
	}
	roles := plan.NewRoles()
	for _, d := range docs {
		namespace := d.Metadata().Namespace
		roles.Add(namespace, append(plan.QuestionsFor(d, namespace).Rights, besides...))
	}
	var documents []any
	for _, role := range roles.Namespaced {
		documents = append(documents, role)
		for _, subject := range subjects {
			documents = append(documents, plan.Bind(role, subject))
		}
	}
	for _, document := range append(documents, roles.Facts, roles.Retain) {
		text, err := yaml.Marshal(document)
		if err != nil {
			return fmt.Errorf("print the role: %w", err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// subjectOf reads a value of --for: user:NAME, group:NAME, or a ServiceAccount as
// kubectl writes it, NAMESPACE:NAME, where the namespace may be left away.
func subjectOf(text string) (rbacv1.Subject, error) {
	kind, name, found := strings.Cut(text, ":")
	subject := rbacv1.Subject{APIGroup: rbacv1.GroupName, Name: name}
	switch {
	case found && kind == "user":
		subject.Kind = rbacv1.UserKind
	case found && kind == "group":
		subject.Kind = rbacv1.GroupKind
	case found:
		subject = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: kind, Name: name}
	default:
		subject = rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: text}
	}
	account := subject.Kind == rbacv1.ServiceAccountKind
	if subject.Name == "" || account && found && kind == "" || account && strings.ContainsAny(subject.Name, ":/") {
		return subject, fault.New(fault.Usage, "--for=%s names nobody", text).
			WithHint("write NAME or NAMESPACE:NAME for a ServiceAccount, user:NAME or group:NAME")
	}
	return subject, nil
}
