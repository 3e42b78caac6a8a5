package generator

import "rpg/generator/compute"

// A pass is one operation on a layer, with the places of the signals that it
// reads and writes.
type pass struct {
	layer                   int
	kind                    passKind
	x, skip, y, dy, dx, raw *place
	args                    compute.ConvLayerBackward // put together once
}

type passKind int

const (
	forward  passKind = iota
	again             // forward for an output that has been overwritten
	backward          // all gradients, but for part of that of an output read twice
	through           // that part, from the layer that takes the output as Skip
)

// schedule lists the passes: forward, one for each layer, and in training those
// of the backward pass. Two things are computed twice, because keeping them takes
// far more memory than time:
//
//   - the first layer's output, of a single channel's work, if the last layer takes
//     it too;
//   - the gradient of an output that a later layer has added to its input, as far as
//     it comes from there. What is kept is the gradient of that layer's own output,
//     which has fewer channels: it takes the place of the output.
func (k *conv) schedule(train bool) (passes []pass) {
	n := len(k.layers)
	signal := func(i int) *place { return &place{width: k.layers[i].out * k.d} }
	out, gradient := make([]*place, n), make([]*place, n) // of the last layer: elsewhere
	for i := range n - 1 {
		out[i], gradient[i] = signal(i), signal(i)
	}
	add := func(p pass) { passes = append(passes, p) }
	input := func(i int) (x, skip *place) {
		if i > 0 {
			x = out[i-1]
		}
		if j := k.layers[i].skip; j >= 0 {
			skip = out[j]
		}
		return x, skip
	}
	for i := range n {
		x, skip := input(i)
		add(pass{layer: i, kind: forward, x: x, skip: skip, y: out[i]})
	}
	if !train {
		return passes
	}
	twice := k.reader(0) == n-1 && n > 2
	if twice {
		gradient[n-2] = out[0] // which ends as the last layer's Skip
	}
	for i := n - 1; i >= 0; i-- {
		if i == 1 && twice {
			out[0] = signal(0)
			add(pass{layer: 0, kind: again, y: out[0]})
		}
		p := pass{layer: i, kind: backward, y: out[i], dy: gradient[i]}
		p.x, p.skip = input(i)
		if k.layers[i].skip >= 0 {
			p.raw = out[i]
		}
		if i > 0 {
			p.dx = gradient[i-1]
		}
		add(p)
		if j := k.reader(i - 1); j > i {
			add(pass{layer: j, kind: through, x: out[i-1], dy: out[j], dx: gradient[i-1]})
		}
	}
	return passes
}

// reader is the last layer that takes the output of layer i.
func (k *conv) reader(i int) int {
	for j, l := range k.layers {
		if i >= 0 && l.skip == i {
			return j
		}
	}
	return i + 1
}

// arguments puts the arguments of a pass together; rows are the tokens' rows.
func (k *conv) arguments(p *pass, rows compute.Matrix) {
	l, a := k.layers[p.layer], &p.args
	a.ConvLayer = compute.ConvLayer{Tokens: k.rows, In: l.in, Out: l.out, K: l.w.shape[2], D: k.d,
		X: p.x.of(rows), Skip: p.skip.of(rows), Y: p.y.of(rows), Cond: k.c, W: l.w.value, Bias: l.b.value}
	if p.layer == len(k.layers)-1 {
		a.Y = k.pred
	}
	if p.layer > 0 {
		a.XNorm = k.layers[p.layer-1].norm
	}
	if l.skip >= 0 {
		a.SkipNorm = k.layers[l.skip].norm
	}
	a.DY, a.DX, a.Raw = p.dy.of(rows), p.dx.of(rows), p.raw.of(rows)
	switch p.kind {
	case forward:
		a.YNorm = l.norm
		a.ELU = l.scale != nil && l.norm == nil // the rest of the normalization: see freeze
	case backward:
		a.YNorm = l.norm
		a.DCond, a.DTime, a.DW, a.DBias = k.dc, k.timeMLP.de, l.w.grad, l.b.grad
		if k.reader(p.layer-1) > p.layer { // more is to be added to dx
			norm := *a.XNorm
			norm.DScale = nil
			a.XNorm = &norm
		}
	case through:
		a.AddDX, a.XNorm, a.SkipNorm = true, a.SkipNorm, nil
	}
}
