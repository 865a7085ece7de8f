// Package k8s does on a cluster what a plan says. It reads the facts that a
// plan is made from, does a plan's steps and undoes them, follows a mover to its
// end, and finds what dead runs left.
//
// It decides nothing that a plan decides: every object it creates is a plan's
// template with its holes filled. It never reads a Secret.
package k8s
