package tokenize

import "math"

// What is done to a weight before it is normalized.
const (
	TransformNone     = "none"      // nothing
	TransformLog      = "log"       // a variance v: log(v + 1e-8)
	TransformPaperLog = "paper-log" // a variance v: log(v/center + 0.05), as published
	TransformConstant = "constant"  // one value in the whole zoo: copied, no tokens
)

const (
	logFloor      = 1e-8     // keeps log(v + logFloor) finite for a dead channel, v = 0
	paperFloor    = 0.05     // the same, as published
	paperScale    = 0.95     // center = paperScale times the mean variance, as published
	paperClip     = 0.001    // least v/center that decoding gives, as published
	leastPositive = 0x1p-126 // smallest normal float32
)

// forward gives the value of y = transform(x). center is used by
// TransformPaperLog only.
func forward(transform string, center, x float64) float64 {
	switch transform {
	case TransformLog:
		return math.Log(x + logFloor)
	case TransformPaperLog:
		return math.Log(x/center + paperFloor)
	}
	return x
}

// inverse gives x back from y = forward(x). For the logarithms it is positive
// for every y, also after rounding to float32.
func inverse(transform string, center, y float64) float64 {
	switch transform {
	case TransformLog:
		return max(math.Exp(y)-logFloor, leastPositive)
	case TransformPaperLog:
		return max(max(math.Exp(y)-paperFloor, paperClip)*center, leastPositive)
	}
	return y
}
