package cuda

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// someValues are n values of which the first 6·65536 have every upper half of a
// float32 with the lower halves at which rounding turns: both zeros, subnormal
// numbers, infinities, and what is not a number are among them.
func someValues(n int) []float32 {
	lower := []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff}
	values := make([]float32, n)
	for i := range values {
		values[i] = math.Float32frombits(uint32(i&0xffff)<<16 | lower[i>>16%len(lower)])
	}
	return values
}

// bf16Bits is a value rounded to bf16, as the bits of a float32: of the two numbers of bf16
// beside it the nearer one, and of two as near the one whose last bit is 0. Beyond the
// largest number lies, for rounding, 2^128.
func bf16Bits(v float32) uint32 {
	if v != v {
		return 0x7fff0000
	}
	number := func(bits uint32) float64 {
		if bits&0x7fffffff == 0x7f800000 {
			return math.Copysign(0x1p128, float64(math.Float32frombits(bits)))
		}
		return float64(math.Float32frombits(bits))
	}
	exact := number(math.Float32bits(v))
	inner := math.Float32bits(v) &^ 0xffff
	if exact == number(inner) {
		return inner
	}
	outer := inner + 0x10000
	a, b := math.Abs(exact-number(inner)), math.Abs(number(outer)-exact)
	if a < b || a == b && inner&0x10000 == 0 {
		return inner
	}
	return outer
}

// What is uploaded into a rounded buffer is rounded to the nearest, ties to even, at any
// length and place, and nothing beside it changes.
func TestUploadRounded(t *testing.T) {
	testUploadRounded(t, openWith(t, shimLibrary(t, plain), true))
}

func testUploadRounded(t *testing.T, d compute.Device) {
	const part = 1 << 16 // values of bf16 in one of the shim's 16 parts of the staging memory
	for _, n := range []int{0, 1, 2, 17, part - 1, part, part + 1, 3*part + 13, 24*part + 13} {
		for _, at := range []int{0, 3} {
			b := d.AllocRounded(at + n + 1)
			values := someValues(n)
			d.Upload(b.Slice(at, at+n), values)
			got := make([]float32, b.Len())
			if err := d.Download(got, b); err != nil {
				t.Fatal(err)
			}
			for i, g := range got {
				want := uint32(0)
				if i >= at && i < at+n {
					want = bf16Bits(values[i-at])
				}
				if math.Float32bits(g) != want {
					t.Fatalf("%d values at %d: value %d is %#08x, want %#08x", n, at, i-at, math.Float32bits(g), want)
				}
			}
		}
	}
}

// Work with an upload into a rounded buffer is done plainly whenever it comes.
func TestUploadRoundedRecorded(t *testing.T) {
	d := openWith(t, shimLibrary(t, plain), true)
	x, y := d.AllocRounded(5), d.Alloc(1)
	for s := range 6 {
		compute.Record(d, "step", func() {
			d.Combine(y, 1, y, 0, nil, 0, nil)
			v := float32(s)
			d.Upload(x, []float32{v, v + 1, v + 2, v + 3, v + 0x1p-20})
			d.Upload(y, []float32{v})
		})
		got, last := make([]float32, 5), make([]float32, 1)
		if err := d.Download(got, x); err != nil {
			t.Fatal(err)
		}
		if err := d.Download(last, y); err != nil {
			t.Fatal(err)
		}
		if v := float32(s); got[0] != v || got[3] != v+3 || last[0] != v {
			t.Fatalf("step %d: got %v and %v", s, got, last)
		}
	}
	if d.replays != 0 {
		t.Errorf("%d graphs were launched, want none", d.replays)
	}
}

// A counter takes an upload into a rounded buffer as any other: it does nothing.
func TestUploadRoundedCounted(t *testing.T) {
	lib, err := dlopen(shimLibrary(t, plain), "shim")
	if err != nil {
		t.Fatal(err)
	}
	c, err := lib.openCounter(2, true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := c.AllocRounded(1 << 20)
	before := c.Taken()
	c.Upload(b, make([]float32, b.Len()))
	if err := c.Sync(); err != nil || c.Taken() != before || before < 2<<20 || before >= 4<<20 {
		t.Errorf("%d bytes taken before, %d after: %v; want 2 MiB and no more", before, c.Taken(), err)
	}
}
