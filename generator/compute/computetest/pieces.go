package computetest

// edges says what a piece of a sequence has: a state at its start and a place for
// that state's gradient, a gradient of the state at its end, both in one buffer.
type edges struct {
	name             string
	start, end, same bool
}

var pieces = []edges{
	{"first", false, true, false},
	{"middle", true, true, false},
	{"middle, in place,", true, true, true},
	{"last", true, false, false},
}
