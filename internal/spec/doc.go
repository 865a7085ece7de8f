// Package spec reads the manifests: the three VolSync kinds and the Secrets and
// ConfigMaps beside them.
//
// Decoding is strict and keeps the position of every field, so that each
// problem can name file, line and column. It judges shape only (unknown fields,
// wrong types, duplicate keys); what values mean is validate's business.
package spec
