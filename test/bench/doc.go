// Package bench measures the product beside bare kopia and prints the figures
// with their goals: make bench. It judges counts, never times.
package bench
