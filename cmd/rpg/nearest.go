package main

import "fmt"

// nearest is the name closest to the word, "" when none is close: at most a
// third of the letters (two for short words) inserted, removed, replaced or
// swapped with a neighbour.
func nearest(word string, names []string) string {
	best, name := max(2, len(word)/3)+1, ""
	for _, n := range names {
		if d := editDistance(word, n); d < best && d < max(len(word), len(n)) {
			best, name = d, n
		}
	}
	return name
}

// didYouMean is the hint that offers the nearest name, else the one given.
func didYouMean(word string, names []string, prefix, otherwise string) string {
	if n := nearest(word, names); n != "" {
		return fmt.Sprintf("did you mean %q?", prefix+n)
	}
	return otherwise
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
