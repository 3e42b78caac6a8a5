// Package compare measures how much the values of two weights differ: cosine,
// relative L2, largest change, and how many values changed by how much. Weights
// are read block by block, so that memory does not grow with them, and sums are
// float64.
//
// Read compare.go, which measures one pair of weights, then changes.go, the
// histogram.
package compare
