//go:build !unix

package main

// peakMemory is unknown here.
func peakMemory() int64 { return 0 }

// residentMemory is unknown here.
func residentMemory() int64 { return 0 }

// settle does not wait here.
func settle() {}
