package generator

import "rpg/generator/compute"

// A denoiser predicts, for each token by itself, from a noisy token x_t [D],
// its time t and its prototype z [M or out-width]. It works on up to a fixed number of rows.
//
// What depends on z alone and on t alone is computed apart, because while
// sampling the one stays the same over all steps and the other over all rows.
type denoiser interface {
	// alloc takes the number of times that are embedded together.
	alloc(dev compute.Device, times int, train bool)
	// freeze makes ready for sampling with the parameters as they are now.
	freeze(dev compute.Device) error
	// condition takes the prototypes z [rows, M] of the rows to come.
	condition(dev compute.Device, z compute.Matrix)
	// embed returns the embeddings of the times t, a row each: in training the
	// times of the rows to come, in sampling those of all steps.
	embed(dev compute.Device, t compute.Buffer) compute.Matrix
	// timeWidth is the width of an embedding.
	timeWidth() int
	// time takes the embeddings for the rows to come, a row each, or a single
	// row for all of them.
	time(dev compute.Device, e compute.Matrix)
	// predict returns the prediction [rows, D] for x [rows, D].
	predict(dev compute.Device, x compute.Matrix) compute.Matrix
	// backward takes the gradient of the last prediction, adds to the
	// parameters' gradients and computes dz [rows, M].
	backward(dev compute.Device, dpred, dz compute.Matrix)
	// spare lists buffers that are of use from predict to backward only.
	spare() []compute.Buffer
	// multiplies is the number of multiply-adds of one row's forward pass.
	multiplies() int
	// stepMultiplies is that of a step of sampling: without what depends on z or
	// t alone.
	stepMultiplies() int
}

// timeFeatures is the width of the sinusoidal features of t.
const timeFeatures = 256

// timeMLP embeds t: Linear(256 -> width), SiLU, Linear(width -> width).
type timeMLP struct {
	width         int
	first, second *linear

	f, a, b, e compute.Matrix // features, pre-activation, SiLU, embedding
	da, db, de compute.Matrix
}

func newTimeMLP(ps *params, width int) *timeMLP {
	return &timeMLP{width: width,
		first:  newLinear(ps, "denoiser.time.0", timeFeatures, width, true),
		second: newLinear(ps, "denoiser.time.2", width, width, true)}
}

func (k *timeMLP) alloc(dev compute.Device, rows int, train bool) {
	matrix := func(cols int) compute.Matrix { return newMatrix(dev, rows, cols) }
	k.f, k.a, k.b, k.e = matrix(timeFeatures), matrix(k.width), matrix(k.width), matrix(k.width)
	if train {
		k.de = matrix(k.width)
	}
}

// embed returns the embeddings of the times t, a row each.
func (k *timeMLP) embed(dev compute.Device, t compute.Buffer) compute.Matrix {
	dev.TimeFeatures(k.f, t)
	k.first.forward(dev, k.a, k.f)
	dev.SiLU(k.b.Data, k.a.Data)
	k.second.forward(dev, k.e, k.b)
	return k.e
}

func (k *timeMLP) timeWidth() int { return k.width }

// backward takes the gradient of the embedding from de.
func (k *timeMLP) backward(dev compute.Device) {
	k.second.backward(dev, k.db, k.de, k.b, 0)
	dev.SiLUBackward(k.da.Data, k.db.Data, k.a.Data)
	k.first.backward(dev, compute.Matrix{}, k.da, k.f, 0)
}

func (k *timeMLP) multiplies() int { return k.first.multiplies() + k.second.multiplies() }
