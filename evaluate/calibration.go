package evaluate

import "math"

// calibrationBins is the number of equal bins of confidence, as in Guo et al.,
// "On Calibration of Modern Neural Networks" (ICML 2017).
const calibrationBins = 15

// Calibration counts images by the confidence of their prediction: bin m has
// those above m/15 and up to (m+1)/15.
type Calibration [calibrationBins]CalibrationBin

// A CalibrationBin sums up the images of one bin.
type CalibrationBin struct {
	Images, Right int
	// Confidence is the sum in units of 2^-32, so that it is the same in whatever
	// order images are scored.
	Confidence uint64
}

// add counts one image.
func (c *Calibration) add(confidence float64, right bool) {
	b := &c[min(max(int(math.Ceil(confidence*calibrationBins))-1, 0), calibrationBins-1)]
	b.Images++
	b.Confidence += uint64(math.Round(confidence * (1 << 32)))
	if right {
		b.Right++
	}
}

// ECE is the expected calibration error: the mean over all images of the
// distance between accuracy and mean confidence within the image's bin, 0 to 1.
func (c *Calibration) ECE() float64 {
	n, sum := 0, 0.0
	for _, b := range c {
		n += b.Images
		sum += math.Abs(float64(b.Right) - float64(b.Confidence)/(1<<32))
	}
	return sum / float64(max(n, 1))
}

// confidence is the softmax, in float64, of the highest logit, which is best. A
// network whose last operator is a softmax gives probabilities instead of logits:
// values of 0 to 1 that sum up to 1 within 0.001 are taken as they are.
func confidence(logits []float32, best int) float64 {
	sum, highest, total, negative := 0.0, float64(logits[best]), 0.0, false
	for _, v := range logits {
		total += float64(v)
		negative = negative || v < 0
		if float64(v) == highest {
			sum++ // also where it is infinite
		} else {
			sum += math.Exp(float64(v) - highest)
		}
	}
	if !negative && math.Abs(total-1) <= 1e-3 {
		return min(highest, 1)
	}
	return 1 / sum
}
