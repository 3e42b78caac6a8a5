package cuda

import (
	"math"
	"strings"
	"testing"

	"rpg/generator/compute"
)

// A sequence that is taken in pieces of whole chunks gives what it gives at once,
// bit for bit.
func TestSSDPieces(t *testing.T) {
	d := openShim(t)
	defer d.Close()
	const l, h, p, s, chunk = 53, 3, 5, 6, 8
	random := func(stream uint64, n int) compute.Buffer {
		b := d.Alloc(n)
		values := make([]float32, n)
		for i := range values {
			values[i] = compute.Normals(1, stream, uint64(i))[0]
		}
		d.Upload(b, values)
		return b
	}
	a := compute.SSD{N: 1, L: l, H: h, P: p, S: s, Chunk: chunk,
		X: compute.MatrixOf(random(1, l*h*p), l, h*p), B: compute.MatrixOf(random(2, l*s), l, s),
		C: compute.MatrixOf(random(3, l*s), l, s), DT: compute.MatrixOf(random(4, l*h), l, h),
		DTBias: random(5, h), ALog: random(6, h), D: random(7, h)}
	whole, parts := d.Alloc(l*h*p), d.Alloc(l*h*p)
	a.Y = compute.MatrixOf(whole, l, h*p)
	a.Start, a.End = random(8, h*p*s), d.Alloc(h*p*s)
	a.States = d.Alloc(a.Chunks() * h * p * s)
	d.SSD(a)

	state := d.Alloc(h * p * s)
	d.Copy(state, a.Start)
	for _, part := range [][2]int{{0, 16}, {16, 24}, {24, l}} {
		lo, hi := part[0], part[1]
		piece := a
		piece.L, piece.Start, piece.End = hi-lo, state, state
		piece.X, piece.B, piece.C, piece.DT = a.X.RowRange(lo, hi), a.B.RowRange(lo, hi), a.C.RowRange(lo, hi), a.DT.RowRange(lo, hi)
		piece.Y = compute.MatrixOf(parts, l, h*p).RowRange(lo, hi)
		piece.States = d.Alloc(piece.Chunks() * h * p * s)
		d.SSD(piece)
	}
	for _, pair := range []struct {
		name      string
		got, want compute.Buffer
	}{{"Y", parts, whole}, {"the last state", state, a.End}} {
		got, want := make([]float32, pair.got.Len()), make([]float32, pair.want.Len())
		if err := d.Download(got, pair.got); err != nil {
			t.Fatal(err)
		}
		if err := d.Download(want, pair.want); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) || math.IsNaN(float64(want[i])) {
				t.Fatalf("%s: value %d is %v in pieces, %v at once", pair.name, i, got[i], want[i])
			}
		}
	}
}

// Numbers of valid values out of range are noticed at the next Sync.
func TestMaskedMSERange(t *testing.T) {
	for _, wrong := range []int32{-1, 8} {
		d := openShim(t)
		defer d.Close()
		matrix := func() compute.Matrix { return compute.MatrixOf(d.Alloc(21), 3, 7) }
		valid := d.AllocInts(3)
		d.UploadInts(valid, []int32{7, wrong, 0})
		d.MaskedMSE(d.Alloc(1), matrix(), matrix(), matrix(), valid)
		if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "valid values out of range") {
			t.Errorf("%d valid values of 7: %v", wrong, err)
		}
	}
}

// A convolution longer than the kernels are made for is refused.
func TestCausalConvTaps(t *testing.T) {
	d := openShim(t)
	defer d.Close()
	const k = mostTaps + 1
	matrix := func() compute.Matrix { return compute.MatrixOf(d.Alloc(2), 2, 1) }
	d.CausalConv(compute.CausalConv{N: 1, L: 2, K: k, X: matrix(), Y: matrix(), W: d.Alloc(k), Bias: d.Alloc(1)})
	if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "at most 32 taps, found 33") {
		t.Errorf("%d taps: %v", k, err)
	}
}
