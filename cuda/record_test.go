package cuda

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"rpg/generator/compute"
)

// work is a small step with every kind of call: scalars that vary, uploads, sums
// through the workspace.
type work struct {
	d                       compute.Device
	p, g, m, v, ema, u, eps compute.Buffer
	norm                    compute.Buffer
	keys, m8, v8            compute.Ints
	mScale, vScale          compute.Buffer
	n                       int // values of the step; at most those of p
}

func newWork(d compute.Device) *work {
	const n = 300
	w := &work{d: d, p: d.Alloc(n), g: d.Alloc(n), m: d.Alloc(n), v: d.Alloc(n), ema: d.Alloc(n), u: d.Alloc(n), eps: d.Alloc(n),
		norm: d.Alloc(1), keys: d.AllocInts(4 * 3), m8: d.AllocInts(n / 4), v8: d.AllocInts(n / 4), mScale: d.Alloc(2), vScale: d.Alloc(2), n: n}
	d.Normal(w.p, 1, 2)
	return w
}

// step does step s. What it gives to the device depends on s in scalars and
// uploads only.
func (w *work) step(s int) {
	d, part := w.d, func(b compute.Buffer) compute.Buffer { return b.Slice(0, w.n) }
	values, keys := make([]float32, w.n), make([]int32, 4*3)
	for i := range values {
		values[i] = float32(math.Sin(float64(i * s)))
	}
	for i := range keys {
		keys[i] = int32(s * i)
	}
	d.Upload(part(w.u), values)
	d.UploadInts(w.keys, keys)
	d.Normal(part(w.eps), uint64(s), 7)
	d.Combine(part(w.g), float32(s), part(w.u), 0.5, part(w.eps), 1/float32(s), part(w.p))
	d.NormalRows(compute.MatrixOf(w.eps.Slice(0, 3*70), 3, 70), w.keys, uint64(s)<<40)
	d.Add(part(w.g), part(w.eps))
	d.SquaredSum(w.norm, part(w.g))
	a := compute.AdamW{P: part(w.p), G: part(w.g), M: part(w.m), V: part(w.v), Norm: w.norm, MaxNorm: 1, LR: 0.1 / float32(s),
		Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.01, Step: s}
	d.AdamW(a)
	a.M, a.V = nil, nil
	words := (w.n + 3) / 4
	d.AdamW8(compute.AdamW8{AdamW: a, MCodes: w.m8.Slice(0, words), VCodes: w.v8.Slice(0, words), MScale: w.mScale, VScale: w.vScale})
	d.EMA(part(w.ema), part(w.p), float32(s)/10)
}

func (w *work) results(t *testing.T) []uint32 {
	t.Helper()
	var bits []uint32
	for _, b := range []compute.Buffer{w.p, w.g, w.m, w.v, w.ema, w.eps, w.norm, w.mScale, w.vScale} {
		out := make([]float32, b.Len())
		if err := w.d.Download(out, b); err != nil {
			t.Fatal(err)
		}
		for _, v := range out {
			bits = append(bits, math.Float32bits(v))
		}
	}
	return bits
}

// Steps that are recorded give the same bits as steps that are not, also where a
// step does other work than the one before.
func TestRecordedSteps(t *testing.T) {
	for _, c := range []struct {
		name    string
		replays int // in 8 steps, of which the first of a record is none
		change  func(w *work, s int)
	}{
		{"the same work", 7, func(*work, int) {}},
		{"another size from step 5 on", 3 + 2, func(w *work, s int) {
			if s >= 5 {
				w.n = 280
			}
		}},
		{"another size each time", 3, func(w *work, s int) { w.n = 300 - s }},
		{"one more call in step 4", 2 + 3, func(w *work, s int) {
			if s == 4 {
				w.d.Zero(w.ema)
			}
		}},
		{"one call less in step 4", 2 + 3, nil}, // see below
		{"a download in step 4", 2 + 3, func(w *work, s int) {
			if s == 4 {
				w.d.Download(make([]float32, 1), w.norm)
			}
		}},
		{"an allocation while recording", 6 - 1, func(w *work, s int) {
			if s == 2 {
				w.d.Add(w.p, w.d.Alloc(w.p.Len()))
			}
		}},
		{"a workspace that grows while recording", 6 - 1, func(w *work, s int) {
			if s == 2 {
				wide := func() compute.Matrix { return compute.MatrixOf(w.d.Alloc(300*1024), 300, 1024) }
				w.d.GatedRMSNormBackward(wide(), wide(), w.d.Alloc(1024), wide(), wide(), wide(), w.d.Alloc(1024), 1e-5)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain, recorded := openShim(t), openShim(t)
			defer plain.Close()
			defer recorded.Close()
			a, b := newWork(plain), newWork(recorded)
			run := func(w *work, s int) {
				if c.change == nil {
					if w.step(s); s != 4 {
						w.d.Copy(w.u, w.ema)
					}
					return
				}
				w.step(s)
				c.change(w, s)
				w.d.Add(w.m, w.u)
			}
			for s := 1; s <= 8; s++ {
				run(a, s)
				compute.Record(recorded, "step", func() { run(b, s) })
				if got, want := b.results(t), a.results(t); !slices.Equal(got, want) {
					t.Fatalf("step %d: recorded steps give other values", s)
				}
			}
			if recorded.replays != c.replays || plain.replays != 0 {
				t.Errorf("%d graphs were launched, want %d", recorded.replays, c.replays)
			}
		})
	}
}

// Several keys have a record each; a record within another is part of it.
func TestRecordedKeys(t *testing.T) {
	d := openShim(t)
	defer d.Close()
	x := d.Alloc(4)
	d.Upload(x, []float32{1, 1, 1, 1})
	for s := range 4 {
		for _, factor := range []float32{2, 3} {
			compute.Record(d, fmt.Sprint(factor), func() {
				compute.Record(d, "inner", func() { d.Combine(x, factor, x, 0, nil, 0, nil) })
				if factor == 3 {
					d.Add(x, x)
				}
			})
		}
		got := make([]float32, 4)
		if err := d.Download(got, x); err != nil {
			t.Fatal(err)
		}
		if want := float32(math.Pow(12, float64(s+1))); got[3] != want {
			t.Fatalf("round %d: got %g, want %g", s, got[3], want)
		}
	}
	if d.replays != 2*3 || len(d.records) != 2 {
		t.Errorf("%d graphs were launched of %d records, want 6 of 2", d.replays, len(d.records))
	}
}

// A failure within a record is kept, with its text, and the device closes.
func TestRecordedFailure(t *testing.T) {
	for failing := 1; failing <= 3; failing++ {
		d := openShim(t)
		x := d.Alloc(10)
		for s := 1; s <= 4; s++ {
			compute.Record(d, "step", func() {
				d.Zero(x)
				if s == failing {
					launch(d, "rpg_missing", zeroArgs{})
				}
				d.Add(x, x)
			})
		}
		if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "without function rpg_missing") {
			t.Errorf("step %d: got %v, want an error that names the function", failing, err)
		}
		if err := d.Close(); err == nil {
			t.Errorf("step %d: closing tells nothing of the failure", failing)
		}
	}
}
