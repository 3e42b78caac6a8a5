package cpu

// split4 writes the values of src, 4·phase of them, by their position modulo 4:
// dst, [4, phase], has src[4·u+q] at (q, u).
func (l loops) split4(dst, src []float32) {
	dst, src = dst[:4*phase], src[:4*phase]
	if l.fast != nil {
		l.fast.split4(&dst[0], &src[0])
		return
	}
	for i, v := range src {
		dst[i%4*phase+i/4] = v
	}
}

// merge4 is the way back: dst, a block, gets src[q, t] of [4, filterTiles] at 4·t+q.
func (l loops) merge4(dst, src []float32) {
	dst, src = dst[:filterBlock], src[:filterBlock]
	if l.fast != nil {
		l.fast.merge4(&dst[0], &src[0])
		return
	}
	for i := range dst {
		dst[i] = src[i%4*filterTiles+i/4]
	}
}

// filterIn computes V of each tile: x_j of tile t is value 4·t+j+1 of the signal
// whose phases are given. dst is [filterPoints, filterTiles].
func (l loops) filterIn(dst, phases []float32) {
	dst, phases = dst[:filterPoints*filterTiles], phases[:4*phase]
	if l.fast != nil {
		l.fast.filterIn(filterTiles, &dst[0], &phases[0])
		return
	}
	all, rest := evenCoefficients()
	for t := range filterTiles {
		var x [filterPoints]float32
		for j := range x {
			x[j] = phases[(j+1)%4*phase+t+(j+1)/4]
		}
		v := func(j int) *float32 { return &dst[j*filterTiles+t] }
		*v(0) = x[8] + all[3]*x[6] + all[2]*x[4] + all[1]*x[2] + all[0]*x[0]
		*v(9) = x[9] + all[3]*x[7] + all[2]*x[5] + all[1]*x[3] + all[0]*x[1]
		for i, a := range filterA() {
			q := rest[i]
			even := x[8] + q[2]*x[6] + q[1]*x[4] + q[0]*x[2]
			odd := float32(a) * (x[7] + q[2]*x[5] + q[1]*x[3] + q[0]*x[1])
			*v(1 + 2*i), *v(2 + 2*i) = even+odd, even-odd
		}
	}
}

// evenCoefficients returns those of Π (z²-a²) over all a, and over all but one,
// without the leading 1.
func evenCoefficients() (all [4]float32, rest [4][3]float32) {
	product := func(skip int) []float64 {
		p := []float64{1}
		for i, a := range filterA() {
			if i == skip {
				continue
			}
			next := make([]float64, len(p)+1)
			for n, v := range p {
				next[n+1] += v
				next[n] -= v * a * a
			}
			p = next
		}
		return p
	}
	for n, v := range product(-1)[:4] {
		all[n] = float32(v)
	}
	for i := range rest {
		for n, v := range product(i)[:3] {
			rest[i][n] = float32(v)
		}
	}
	return all, rest
}

// filterOut computes y of each tile, plus start: dst is [4, filterTiles], of
// each output of a tile, src [filterPoints, filterTiles], the products.
func (l loops) filterOut(dst, src []float32, start float32) {
	dst, src = dst[:filterBlock], src[:filterPoints*filterTiles]
	if l.fast != nil {
		l.fast.filterOut(filterTiles, &dst[0], &src[0], start)
		return
	}
	for t := range filterTiles {
		m := func(j int) float32 { return src[j*filterTiles+t] }
		y := [4]float32{start + m(0), start, start, start + m(9)}
		for i, a := range filterA() {
			a := float32(a)
			sum, diff := m(1+2*i)+m(2+2*i), m(1+2*i)-m(2+2*i)
			y[0] += sum
			y[1] += a * diff
			y[2] += a * a * sum
			y[3] += a * a * a * diff
		}
		for i, v := range y {
			dst[i*filterTiles+t] = v
		}
	}
}

// filterSlope computes U of the weights' gradient: dst is [filterPoints,
// filterTiles]; dy_i of tile t is value 4·t+i+4 of the signal whose phases are
// given.
func (l loops) filterSlope(dst, phases []float32) {
	dst, phases = dst[:filterPoints*filterTiles], phases[:4*phase]
	if l.fast != nil {
		l.fast.filterSlope(filterTiles, &dst[0], &phases[0])
		return
	}
	for t := range filterTiles {
		var dy [4]float32
		for i := range dy {
			dy[i] = phases[i*phase+t+1]
		}
		u := func(j int) *float32 { return &dst[j*filterTiles+t] }
		*u(0), *u(9) = dy[0], dy[3]
		for i, a := range filterA() {
			a := float32(a)
			even, odd := dy[0]+a*a*dy[2], a*(dy[1]+a*a*dy[3])
			*u(1 + 2*i), *u(2 + 2*i) = even+odd, even-odd
		}
	}
}
