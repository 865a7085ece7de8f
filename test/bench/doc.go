// Package bench measures the product beside bare kopia and prints the figures
// with their goals: make bench. A count or a memory figure that misses its goal
// fails; a time is judged only with make bench VK_BENCH=strict, on a machine
// that is known to be good for it.
package bench
