package generator

import "rpg/generator/compute"

// A pass is one operation on a layer, on all of its channels or on some, with
// the places of the signals that it reads and writes.
type pass struct {
	layer                   int
	kind                    passKind
	in, out                 channels
	x, skip, y, dy, dx, raw view
	args                    compute.ConvLayerBackward // put together once
}

type passKind int

const (
	forward  passKind = iota
	again             // forward for an output that has been overwritten
	backward          // all gradients
	throughX          // that of the layer's input alone, once more
)

// channels are lo..hi-1 of those of a signal.
type channels struct{ lo, hi int }

// inner is the layer before the first that takes a skip connection and its
// successor, which turn the widest output out and in; -1 where nothing skips.
// Backward, both go through this output in groups of channels: its gradient,
// the widest of all, need never be whole.
func (k *conv) inner() int {
	for i, l := range k.layers {
		if l.skip >= 0 {
			return i - 2
		}
	}
	return -1
}

// skipsAll says whether the last layer takes the first one's output, and others
// lie between them and the inner ones. Both are cheap, having one channel on one
// side: that output is computed again when it is needed again, and likewise its
// gradient's part from the last layer.
func (k *conv) skipsAll() bool {
	return k.layers[len(k.layers)-1].skip == 0 && k.inner() > 1
}

// groups splits the channels of an output into a few groups. The gradient of the
// first has memory of its own, before that of the output; the gradient of each
// later one lies where the groups before it did. A first group of whole tiles of
// a matrix kernel wastes least.
func groups(count int) (list []channels) {
	const tile = 12
	first := min(count, (count/7+tile-1)/tile*tile)
	for lo, free := 0, max(1, first); lo < count; free = list[0].hi + lo {
		hi := min(count, lo+free)
		list = append(list, channels{lo, hi})
		lo = hi
	}
	return list
}

// schedule lists the passes: forward, one for each layer, and in training those
// of the backward pass. What is added to an input has that input's gradient: both
// share one place, to which the layer that took the output first adds later.
func (k *conv) schedule(train bool) (passes []pass) {
	n, inner := len(k.layers), k.inner()
	signal := func(lead, count int) view {
		return view{&place{width: (lead + count) * k.d}, lead * k.d, (lead + count) * k.d}
	}
	out, gradient := make([]view, n), make([]view, n)
	for i, l := range k.layers[:n-1] {
		out[i], gradient[i] = signal(0, l.out), signal(0, l.out)
		if i == inner && train {
			out[i] = signal(groups(l.out)[0].hi, l.out)
		}
	}
	add := func(i int, kind passKind) *pass {
		l := k.layers[i]
		p := pass{layer: i, kind: kind, in: channels{0, l.in}, out: channels{0, l.out}, y: out[i]}
		if i > 0 {
			p.x = out[i-1]
		}
		if l.skip >= 0 {
			p.skip = out[l.skip]
		}
		if kind == backward || kind == throughX {
			p.dy = gradient[i]
			if i > 0 {
				p.dx = gradient[i-1]
			}
		}
		if kind == throughX {
			p.x, p.skip = view{}, view{}
		}
		passes = append(passes, p)
		return &passes[len(passes)-1]
	}
	for i := range n {
		add(i, forward)
	}
	if !train {
		return passes
	}
	for i := n - 2; i >= 0; i-- {
		if j := k.reader(i); j > i+1 {
			gradient[i] = gradient[j-1]
		}
	}
	if k.skipsAll() {
		gradient[n-2] = out[0]
	}
	for i := n - 1; i >= 0; i-- {
		switch {
		case i == inner:
			continue // with the one behind it
		case i == inner+1 && inner >= 0:
			for _, c := range groups(k.layers[inner].out) {
				p := add(i, backward)
				p.in, p.x = c, p.x.part(c, k.d)
				p.dx = view{out[inner].place, 0, (c.hi - c.lo) * k.d}
				if c.lo == 0 {
					p.raw = p.y
				} else { // the first has left the gradient of y there
					p.dy, p.y = p.y, view{}
				}
				dx := p.dx
				p = add(inner, backward)
				p.out, p.y, p.dy = c, p.y.part(c, k.d), dx
			}
			continue
		case i == 1 && k.skipsAll():
			out[0], gradient[0] = signal(0, k.layers[0].out), signal(0, k.layers[0].out)
			gradient[n-2] = gradient[0]
			add(0, again)
			add(n-1, throughX)
		}
		add(i, backward)
	}
	return passes
}

// reader is the last layer that takes the output of layer i.
func (k *conv) reader(i int) int {
	for j, l := range k.layers {
		if l.skip == i {
			return j
		}
	}
	return i + 1
}

// arguments puts the arguments of a pass together; rows are the tokens' rows.
func (k *conv) arguments(p *pass, rows compute.Matrix) {
	l, a, last := k.layers[p.layer], &p.args, p.layer == len(k.layers)-1
	weights := func(b compute.Buffer) compute.Matrix {
		taps := l.w.shape[2]
		return compute.MatrixOf(b, l.out, l.in*taps).RowRange(p.out.lo, p.out.hi).Columns(p.in.lo*taps, p.in.hi*taps)
	}
	a.ConvLayer = compute.ConvLayer{Tokens: k.rows, In: p.in.hi - p.in.lo, Out: p.out.hi - p.out.lo, K: l.w.shape[2], D: k.d,
		X: p.x.of(rows), Skip: p.skip.of(rows), Y: p.y.of(rows), Cond: k.c,
		W: weights(l.w.value), Bias: l.b.value.Slice(p.out.lo, p.out.hi)}
	if last {
		a.Y = k.pred
	}
	if p.layer > 0 {
		a.XNorm = part(k.layers[p.layer-1].norm, p.in, l.in)
	}
	if l.skip >= 0 {
		a.SkipNorm = k.layers[l.skip].norm
	}
	if p.kind == forward {
		a.YNorm = l.norm
		a.ELU = l.scale != nil && l.norm == nil // the rest of the normalization: see freeze
		return
	}
	if p.kind == again {
		return
	}
	if p.y.place != nil {
		a.YNorm = part(l.norm, p.out, l.out)
	}
	a.DY, a.DX, a.Raw = p.dy.of(rows), p.dx.of(rows), p.raw.of(rows)
	if p.kind == throughX {
		return
	}
	a.AddDX = p.layer > 0 && k.reader(p.layer-1) > p.layer
	a.DCond, a.DTime, a.DW = k.dc, k.timeMLP.de, weights(l.w.grad)
	if p.in.lo == 0 {
		a.DBias = l.b.grad.Slice(p.out.lo, p.out.hi)
	}
	if p.out.hi < l.out { // dx is not yet whole
		norm := *a.XNorm
		norm.DScale = nil
		a.XNorm = &norm
	}
}

// part is the normalization of channels c of all.
func part(n *compute.BatchNorm, c channels, all int) *compute.BatchNorm {
	if n == nil || c.hi-c.lo == all {
		return n
	}
	p := *n
	for _, b := range []*compute.Buffer{&p.Scale, &p.Bias, &p.Mean, &p.InvStd, &p.RunningMean, &p.RunningVar,
		&p.DScale, &p.DBias, &p.Along, &p.Level} {
		*b = (*b).Slice(c.lo, c.hi)
	}
	return &p
}
