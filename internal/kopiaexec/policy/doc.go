// Package policy turns what a manifest says about policies into kopia's own
// policy documents, and works out what has to change in a repository.
//
// It is pure: text in, values and notes out. Validation, planning and the
// mover call the same functions, so all three give the same answer.
//
// Two spellings are understood, also mixed in one file: the documentation
// page's (keepYearly, compressor, compressionLevel, dotIgnoreFiles,
// uploadParallelism) and kopia's own JSON. Every key of either one takes
// effect or is named in a Note.
//
// Kopia imports strictly in fields and types but checks no names: a wrong
// compressor is stored and the next snapshot is silently not compressed. So
// names, types and keys are all checked here, before anything is written.
package policy
