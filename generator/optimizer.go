package generator

import "rpg/generator/compute"

// Optimizers names what --optimizer accepts.
var Optimizers = []string{"adamw", "adamw8bit"}

// firstOptimizer is that of runs from before there was a choice. Their files do not
// name it, and it is no part of a configuration's SHA256.
const firstOptimizer = "adamw"

// optimizer is AdamW with the average of the weights. With 8-bit states, matrices
// have theirs in codes; vectors, which are few and of which some see a gradient in
// few steps only, keep float32.
type optimizer struct {
	parts  [2]compute.AdamW // of matrices, which decay, and of vectors
	first  int              // m and v are those of the trained values from this one on
	m, v   compute.Buffer
	packed *compute.AdamW8 // the states of the values before first; nil: there are none
}

// newOptimizer makes the states of ps. norm is where the squared norm of the
// gradients will be, and ema the average, ps.value for none.
func newOptimizer(dev compute.Device, c Config, ps *params, norm, ema compute.Buffer) *optimizer {
	o := new(optimizer)
	if c.Optimizer == "adamw8bit" {
		o.first = ps.matrices
		words, blocks := (o.first+3)/4, (o.first+compute.StateBlock-1)/compute.StateBlock
		o.packed = &compute.AdamW8{MCodes: dev.AllocInts(words), VCodes: dev.AllocInts(words), MScale: dev.Alloc(blocks), VScale: dev.Alloc(blocks)}
	}
	o.m, o.v = dev.Alloc(ps.trained-o.first), dev.Alloc(ps.trained-o.first)
	for i, part := range [2]struct{ lo, hi int }{{0, ps.matrices}, {ps.matrices, ps.trained}} {
		a := &o.parts[i]
		*a = compute.AdamW{P: ps.value.Slice(part.lo, part.hi), G: ps.grad.Slice(part.lo, part.hi),
			Norm: norm, MaxNorm: float32(c.Clip), Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
		if part.lo >= o.first {
			a.M, a.V = o.m.Slice(part.lo-o.first, part.hi-o.first), o.v.Slice(part.lo-o.first, part.hi-o.first)
		}
		if c.EMA > 0 {
			a.EMA = ema.Slice(part.lo, part.hi)
		}
	}
	o.parts[0].Decay = float32(c.WeightDecay)
	return o
}

// update does step (from 0).
func (o *optimizer) update(dev compute.Device, c Config, step int) {
	for i := range o.parts {
		a := &o.parts[i]
		a.LR, a.EMADecay, a.Step = float32(c.learningRate(step)), float32(c.emaDecay(step)), step+1
		switch {
		case a.P.Len() == 0:
		case a.M == nil:
			o.packed.AdamW = *a
			dev.AdamW8(*o.packed)
		default:
			dev.AdamW(*a)
		}
	}
}

// stored lists the states as they are in a checkpoint.
func (o *optimizer) stored(ps *params) []stored {
	list := append(ps.stored("m.", o.first, o.m), ps.stored("v.", o.first, o.v)...)
	if o.packed == nil {
		return list
	}
	return append(list, storedValues("m8.scales", o.packed.MScale), storedValues("v8.scales", o.packed.VScale),
		storedCodes("m8.codes", o.packed.MCodes, o.first), storedCodes("v8.codes", o.packed.VCodes, o.first))
}
