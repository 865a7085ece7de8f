// Package validate judges manifests without a cluster and without kopia: what
// the values of a document mean, and whether documents fit together.
//
// Shape (unknown fields, wrong types) is the business of package spec; the
// meaning of arguments and policies that of argv and policy. This package asks
// all of them, gives every finding its place in the input, and never says the
// same thing twice.
//
// The rules for single fields are JSON Schemas (draft 2020-12) with their words
// beside them; the rules between fields and between documents are Go.
package validate
