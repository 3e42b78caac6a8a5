package computetest

import (
	"fmt"
	"math"

	"rpg/generator/compute"
)

func adamW8() Operation {
	op := Operation{Name: "AdamW8"}
	for _, n := range []int{1, 3, 255, 256, 257, 1031, 17_000} {
		for _, form := range []struct {
			name          string
			maxNorm, norm float32
			decay         float32
			step          int
			emaDecay      float32 // 0 for none
		}{
			{"first step with average", 0, 0, 0, 1, 0.1},
			{"clipped", 1, 400, 0.01, 3, 0},
			{"late with average", 1, 1.5, 0.05, 100000, 0.9999},
		} {
			op.Cases = append(op.Cases, Case{fmt.Sprintf("%d %s", n, form.name), func(e *Env) {
				c := newAdamW8Case(e, n, form.step)
				c.a.MaxNorm, c.a.Decay, c.a.EMADecay = form.maxNorm, form.decay, form.emaDecay
				c.run(form.norm)
			}})
		}
	}
	op.Cases = append(op.Cases,
		Case{"nothing but 0", func(e *Env) {
			c := newAdamW8Case(e, 300, 1)
			clear(c.g)
			c.run(0)
		}},
		// A V far below the largest of its block does not become 0.
		Case{"far apart", func(e *Env) {
			c := newAdamW8Case(e, 700, 1)
			for i := range c.g {
				c.g[i] *= float32(math.Pow10(-i % 18))
			}
			c.run(0)
		}},
		// Every code is the nearest to its own value: a gradient that is M, or whose
		// square is V, leaves it as it is.
		Case{"all codes of M stay", func(e *Env) {
			c := newAdamW8Case(e, 3*256, 100)
			c.everyCode()
			c.g = c.m.decode()
			c.run(0)
			c.checkSame(c.m)
		}},
		Case{"all codes of V stay", func(e *Env) {
			c := newAdamW8Case(e, 3*256, 100)
			c.everyCode()
			for i, v := range c.v.decode() {
				c.g[i] = float32(math.Sqrt(float64(v)))
			}
			c.run(0)
			c.checkSame(c.v)
		}},
		// What is not a number stays to be seen, and in its block.
		Case{"a gradient that is not a number", func(e *Env) {
			c := newAdamW8Case(e, 1000, 5)
			const bad, block = 300, 1
			c.g[bad] = float32(math.NaN())
			c.call(0)
			wantP, _, _ := c.reference(0)
			e.check("p", len(c.p), func(i int, got float32) (float64, bool) {
				return wantP[i], i == bad && got != got || math.Abs(float64(got)-wantP[i]) <= 1e-6*(math.Abs(wantP[i])+1)
			})
			for _, name := range []string{"m scale", "v scale"} {
				e.check(name, 4, func(i int, got float32) (float64, bool) { return math.NaN(), (got != got) == (i == block) })
			}
		}})
	return op
}

// adamW8Case is one call and what it begins with.
type adamW8Case struct {
	e    *Env
	a    compute.AdamW8
	p, g []float32
	ema  []float32
	m, v *state8
}

// newAdamW8Case makes a call on n values, with random states after the first step.
func newAdamW8Case(e *Env, n, step int) *adamW8Case {
	c := &adamW8Case{e: e, p: e.Random(n), g: e.Random(n), m: newState8("m", n, true), v: newState8("v", n, false)}
	c.a.AdamW = compute.AdamW{LR: 0.003, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: step}
	if step > 1 {
		for _, s := range []*state8{c.m, c.v} {
			s.code, s.scale = e.Integers(n, 256), e.Uniform(len(s.scale), 0.5, 2)
		}
	}
	return c
}

// everyCode fills each block with all codes.
func (c *adamW8Case) everyCode() {
	for _, s := range []*state8{c.m, c.v} {
		for i := range s.code {
			s.code[i] = int32(i*77+i/256) % 256
		}
	}
}

// call does the operation.
func (c *adamW8Case) call(norm float32) {
	e := c.e
	c.a.P, c.a.G = e.Buffer("p", c.p), e.Buffer("g", c.g)
	if c.a.MaxNorm != 0 {
		c.a.Norm = e.Buffer("norm", []float32{norm})
	}
	if c.a.EMADecay != 0 {
		c.ema = e.Random(len(c.p))
		c.a.EMA = e.Buffer("ema", c.ema)
	}
	c.m.upload(e)
	c.v.upload(e)
	c.a.MCodes, c.a.MScale, c.a.VCodes, c.a.VScale = c.m.device, e.Buffer("m scale", c.m.scale), c.v.device, e.Buffer("v scale", c.v.scale)
	e.Device.AdamW8(c.a)
}

func (c *adamW8Case) reference(norm float64) (p, m, v []float64) {
	return refAdamW(c.a.AdamW, norm, c.p, c.g, c.m.decode(), c.v.decode())
}

// run does the operation and checks all results.
func (c *adamW8Case) run(norm float32) {
	c.e.T.Helper()
	c.call(norm)
	wantP, wantM, wantV := c.reference(float64(norm))
	c.e.Check("p", wantP, 3e-7)
	if c.ema != nil {
		want := make([]float64, len(c.p))
		for i, v := range c.ema {
			want[i] = float64(c.a.EMADecay)*float64(v) + (1-float64(c.a.EMADecay))*wantP[i]
		}
		c.e.Check("ema", want, 6e-7)
	}
	c.m.check(c.e, wantM, c.g)
	c.v.check(c.e, wantV, c.g)
}

// checkSame checks that the codes are those of before.
func (c *adamW8Case) checkSame(s *state8) {
	c.e.T.Helper()
	for i, got := range s.download(c.e) {
		if got != s.code[i] {
			c.e.T.Fatalf("%s: code %d is %d, want it to stay %d", s.name, i, got, s.code[i])
		}
	}
}

// state8 is M or V of AdamW8.
type state8 struct {
	name   string
	values [256]float32
	above  int // the least code of what is above 0
	code   []int32
	scale  []float32

	all    []int32 // what was uploaded, with guards
	block  compute.Ints
	device compute.Ints // without guards
}

// wordGuard is the number of integers before and after the codes.
const wordGuard = 9

func newState8(name string, n int, signed bool) *state8 {
	s := &state8{name: name, values: compute.StateCodes(signed), code: make([]int32, n), scale: make([]float32, (n+255)/256)}
	if !signed {
		s.above = 1
	}
	return s
}

// decode returns what the state stands for.
func (s *state8) decode() []float32 {
	out := make([]float32, len(s.code))
	for i, c := range s.code {
		out[i] = s.values[c] * s.scale[i/256]
	}
	return out
}

func (s *state8) upload(e *Env) {
	words := (len(s.code) + 3) / 4
	s.all = make([]int32, words+2*wordGuard)
	for i := range wordGuard {
		s.all[i], s.all[wordGuard+words+i] = 0x5a5a5a5a, 0x5a5a5a5a
	}
	for i, c := range s.code {
		s.all[wordGuard+i/4] |= c << (8 * (i % 4))
	}
	s.block = e.Ints(s.all)
	s.device = s.block.Slice(wordGuard, wordGuard+words)
}

// download returns the codes, and checks that nothing around them has changed.
func (s *state8) download(e *Env) []int32 {
	e.T.Helper()
	got := make([]int32, len(s.all))
	if err := e.Device.DownloadInts(got, s.block); err != nil {
		e.T.Fatalf("%s: download: %v", s.name, err)
	}
	codes := make([]int32, 0, len(s.all)*4)
	for i, word := range got {
		if guard := i < wordGuard || i >= len(got)-wordGuard; guard && word != s.all[i] {
			e.T.Errorf("%s: the integer %d was written, of 0..%d", s.name, i-wordGuard, len(got)-2*wordGuard-1)
		}
		for k := range 4 {
			codes = append(codes, word>>(8*k)&255)
		}
	}
	codes = codes[4*wordGuard : len(codes)-4*wordGuard]
	for i, c := range codes[len(s.code):] {
		if c != 0 {
			e.T.Errorf("%s: code %d was written, of %d", s.name, len(s.code)+i, len(s.code))
		}
	}
	return codes[:len(s.code)]
}

// check compares the scales with those of want, and says which codes are not the
// nearest, or as near as rounding lets them be: M and V are sums of what they were
// and of a gradient.
func (s *state8) check(e *Env, want []float64, g []float32) {
	e.T.Helper()
	scale := make([]float64, len(s.scale))
	for i, w := range want {
		scale[i/256] = max(scale[i/256], math.Abs(w))
	}
	e.Check(s.name+" scale", scale, 3e-7)
	before := s.decode()
	for i, got := range s.download(e) {
		e.bits = append(e.bits, uint32(got))
		size := scale[i/256]
		if size == 0 {
			continue // any code stands for 0
		}
		x, least := want[i]/size, 0
		if want[i] > 0 {
			least = s.above
		}
		best := math.Inf(1)
		for _, v := range s.values[least:] {
			best = min(best, math.Abs(float64(v)-x))
		}
		rounding := 3e-7 * (math.Abs(float64(before[i])) + math.Abs(float64(g[i]))) / size
		if !s.signed() {
			rounding = 6e-7 * x
		}
		if found := math.Abs(float64(s.values[got]) - x); int(got) < least || !(found <= best+rounding) {
			e.T.Errorf("%s: code %d is %d for %v, %v of the largest of its block: want one at most %v away", s.name, i, got, want[i], x, best)
			return
		}
	}
}

func (s *state8) signed() bool { return s.above == 0 }
