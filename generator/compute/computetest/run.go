package computetest

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"testing"

	"rpg/generator/compute"
)

// Operation is an operation of compute.Device with its cases.
type Operation struct {
	Name  string // the method's, e.g. "Gemm"
	Cases []Case
}

// Case is one use of an operation. Run fills buffers through e, calls the
// operation once or more, and checks every output through e.
type Case struct {
	Name string
	Run  func(e *Env)
}

// placements are the two ways in which every case is run: buffers that begin at
// a multiple of 128 bytes, as a device allocates them, and buffers that do not,
// as slices may.
var placements = []struct {
	name      string
	guard     int // values before and after each buffer
	gradients bool
}{
	{"aligned", 32, true},
	{"shifted", 37, false},
}

// Run holds the device that open returns to all cases of all operations, as
// subtests OPERATION/CASE/PLACEMENT, except for the operations named. It opens one
// device for each operation.
func Run(t *testing.T, open func() (compute.Device, error), except ...string) {
	for _, op := range operations() {
		if !slices.Contains(except, op.Name) {
			op.run(t, open)
		}
	}
}

// RunRounded is Run for a device that computes in bf16: the cases of rounded buffers
// alone, in sizes for which it does not round factors too.
func RunRounded(t *testing.T, open func() (compute.Device, error)) {
	for _, op := range []Operation{roundedCopies(), convLayer(roundedConvLayerCases), convLayerBackward(roundedConvLayerCases)} {
		op.Name += "Rounded"
		op.run(t, open)
	}
}

func (op Operation) run(t *testing.T, open func() (compute.Device, error)) {
	t.Run(op.Name, func(t *testing.T) {
		d := openDevice(t, open)
		for _, c := range op.Cases {
			t.Run(c.Name, func(t *testing.T) {
				for _, p := range placements {
					t.Run(p.name, func(t *testing.T) { runCase(t, d, op, c, p.guard, p.gradients) })
				}
			})
		}
	})
}

// Outputs runs all cases and returns the bits of all values that they checked,
// in order, by "OPERATION/CASE". The checks are those of Run without the
// finite differences and the shifted buffers. Devices of which one promises the same results
// as the other must return equal maps.
func Outputs(t *testing.T, open func() (compute.Device, error)) map[string][]uint32 {
	out := map[string][]uint32{}
	d := openDevice(t, open)
	for _, op := range operations() {
		for _, c := range op.Cases {
			out[op.Name+"/"+c.Name] = runCase(t, d, op, c, placements[0].guard, false)
		}
	}
	return out
}

// Compare fails t for every case whose outputs differ between two results of
// Outputs.
func Compare(t *testing.T, got, want map[string][]uint32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d cases, want %d", len(got), len(want))
	}
	for name, w := range want {
		g, ok := got[name]
		if !ok || len(g) != len(w) {
			t.Errorf("%s: %d values, want %d", name, len(g), len(w))
			continue
		}
		for i := range w {
			if g[i] != w[i] {
				t.Errorf("%s: value %d is %x, want %x: %g and %g", name, i, g[i], w[i],
					math.Float32frombits(g[i]), math.Float32frombits(w[i]))
				break
			}
		}
	}
}

func openDevice(t *testing.T, open func() (compute.Device, error)) compute.Device {
	t.Helper()
	d, err := open()
	if err != nil {
		t.Fatalf("opening the device: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing the device: %v", err)
		}
	})
	return d
}

func runCase(t *testing.T, d compute.Device, op Operation, c Case, guard int, gradients bool) []uint32 {
	t.Helper()
	name := fnv.New64a()
	fmt.Fprintf(name, "%s/%s", op.Name, c.Name)
	e := &Env{T: t, Device: d, seed: name.Sum64(), guard: guard, gradients: gradients}
	c.Run(e)
	e.finish()
	return e.bits
}
