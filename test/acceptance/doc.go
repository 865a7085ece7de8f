// Package acceptance tests the product as its users have it: the real binary,
// real kopia, manifests in files. What kopia then says of the repository is
// compared with what the manifest asked for.
package acceptance
