// Package ui prints results for people and for continuous integration: tables,
// annotations and report files. It decides nothing; every function writes one
// finished document to a writer and returns that writer's error.
package ui
