// Package computetest holds every compute.Device to the same answers: each
// operation against a plain float64 reference, at odd sizes, forward and
// gradient, with guards around every buffer.
//
// Read run.go first (Run, which a device's own test calls), then env.go (what a
// case works with). operations.go lists the operations; every other file holds
// the reference and the cases of the operation that it is named after.
//
// A reference is written for reading, in float64, from the formula in the
// documentation of compute.Device, and shares no code with any device. A
// backward reference is checked by finite differences of the forward one.
package computetest
