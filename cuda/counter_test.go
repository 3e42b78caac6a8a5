package cuda

import (
	"context"
	"math"
	"testing"

	"github.com/ebitengine/purego"

	"rpg/generator"
	"rpg/generator/compute"
)

// TestForecast: the memory that a plan on counters forecasts is, within 5 %, what a
// training and then a sampling take at most.
func TestForecast(t *testing.T) {
	path := shimLibrary(t, plain)
	lib, err := dlopen(path, path)
	if err != nil {
		t.Fatal(err)
	}
	zoo, template := smallZoo(t)
	for _, c := range []struct {
		name, denoiser, window string
		bf16                   bool
	}{{"mlp", "mlp", "0", false}, {"conv", "conv", "0", true}, {"conv in windows", "conv", "12", true}} {
		t.Run(c.name, func(t *testing.T) {
			r, err := generator.Resolve(10_853, []generator.Override{
				{Key: "recurrent", Value: "mamba2"}, {Key: "window", Value: c.window}, {Key: "denoiser", Value: c.denoiser}, {Key: "token-dim", Value: "512"},
				{Key: "width", Value: "64"}, {Key: "state", Value: "8"}, {Key: "head-dim", Value: "8"}, {Key: "denoiser-width", Value: "32"},
				{Key: "blocks", Value: "1"}, {Key: "channels", Value: "1,6,10,6,1"}, {Key: "batch", Value: "2"},
				{Key: "diffusion-batch", Value: "8"}, {Key: "steps", Value: "3"}, {Key: "warmup", Value: "2"}, {Key: "diffusion-steps", Value: "5"},
			})
			if err != nil {
				t.Fatal(err)
			}
			f := planOn(t, lib, 2, r.Config, zoo, c.bf16) // as many processors as the shim has
			buffers := generator.Plan(r.Config, zoo.Tokenizer, zoo.Count, compute.Info{Kind: "cuda", BF16: c.bf16})
			if f.DeviceBytes < buffers.DeviceBytes+1<<20 || f.SampleBytes < buffers.SampleBytes+1<<20 {
				t.Errorf("%d and %d bytes, beside %d and %d of buffers: no workspace is counted", f.DeviceBytes, f.SampleBytes, buffers.DeviceBytes, buffers.SampleBytes)
			}
			run, err := generator.Create(t.TempDir(), r, zoo, template, false)
			if err != nil {
				t.Fatal(err)
			}
			defer run.Close()
			compare := func(what string, forecast int64, work func(d *device) error) {
				most := shimMost(t, lib, c.bf16, work)
				if diff := math.Abs(float64(forecast)/float64(most) - 1); !(diff <= 0.05) {
					t.Errorf("%s takes %d bytes, the forecast is %d", what, most, forecast)
				}
				t.Logf("%s: %d bytes, the forecast is %d", what, most, forecast)
			}
			compare("training", f.DeviceBytes, func(d *device) error {
				return run.Train(context.Background(), d, zoo, generator.Hooks{})
			})
			compare("sampling", f.SampleBytes, func(d *device) error {
				o := generator.DefaultSampling()
				o.Steps = r.Config.DiffusionSteps
				_, err := run.Sample(context.Background(), d, o, nil, func([]generator.Sample) error { return nil })
				return err
			})
		})
	}
}

// testForecastUsed compares the forecast of a training, of so many tokens a step, with
// what is not free any more once it is done: its buffers are not given back before
// others are taken.
func testForecastUsed(t *testing.T, d *device, bf16 bool, rows string) {
	t.Helper()
	zoo, template := smallZoo(t)
	r, err := generator.Resolve(10_853, []generator.Override{
		{Key: "preset", Value: "paper"}, {Key: "token-dim", Value: "512"}, {Key: "width", Value: "64"}, {Key: "head-dim", Value: "8"},
		{Key: "channels", Value: "1,16,32,16,1"}, {Key: "batch", Value: "2"}, {Key: "diffusion-batch", Value: rows}, {Key: "steps", Value: "3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	run, err := generator.Create(t.TempDir(), r, zoo, template, false)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	f := planOn(t, d.library, d.Info().Processors, r.Config, zoo, bf16)
	before, err := d.ask()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Train(context.Background(), d, zoo, generator.Hooks{}); err != nil {
		t.Fatal(err)
	}
	after, err := d.ask()
	if err != nil {
		t.Fatal(err)
	}
	used := int64(before.memoryFree) - int64(after.memoryFree)
	if diff := math.Abs(float64(f.DeviceBytes)/float64(used) - 1); !(diff <= 0.05) {
		t.Errorf("bf16 %t: training took %d bytes, the forecast is %d", bf16, used, f.DeviceBytes)
	}
	t.Logf("bf16 %t: training took %d bytes, the forecast is %d", bf16, used, f.DeviceBytes)
}

// What TestGPUForecast does, where the host stands for a GPU.
func TestForecastUsed(t *testing.T) {
	d := openShim(t)
	defer d.Close()
	testForecastUsed(t, d, false, "4")
}

// planOn forecasts on two counters.
func planOn(t *testing.T, lib *library, processors int, c generator.Config, zoo *generator.Zoo, bf16 bool) generator.Forecast {
	t.Helper()
	var counters [2]Counter
	for i := range counters {
		c, err := lib.openCounter(processors, bf16)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		counters[i] = c
	}
	f, err := generator.PlanOn(counters[0], counters[1], c, zoo.Tokenizer, zoo.Count)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shimMost is the most memory of the device that work takes.
func shimMost(t *testing.T, lib *library, bf16 bool, work func(d *device) error) int64 {
	t.Helper()
	opened, err := lib.open(0, bf16)
	if err != nil {
		t.Fatal(err)
	}
	d := opened.(*device)
	defer d.Close()
	entry, err := d.library.symbol("shim_most")
	if err != nil {
		t.Fatal(err)
	}
	purego.SyscallN(entry)
	before, err := d.ask()
	if err != nil {
		t.Fatal(err)
	}
	if err := work(d); err != nil {
		t.Fatal(err)
	}
	most, _, _ := purego.SyscallN(entry)
	taken := int64(most) - int64(before.memoryTotal-before.memoryFree)
	if d.MostTaken() != taken {
		t.Errorf("the device counts %d bytes that it took at most, want %d", d.MostTaken(), taken)
	}
	return taken
}

// The workspace is given back when it is outgrown, but for that of recorded work.
func TestWorkspace(t *testing.T) {
	lib, err := dlopen(shimLibrary(t, plain), "shim")
	if err != nil {
		t.Fatal(err)
	}
	c, err := lib.openCounter(132, true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const mebi, most = 1 << 20, 40 * 512
	matrix := func(cols int) compute.Matrix { return compute.MatrixOf(c.Alloc(most*cols), most, cols) }
	a, b := matrix(512), matrix(512)
	small := compute.MatrixOf(c.Alloc(512*512), 512, 512)
	taken := func(rows int) int64 { // after a product whose factors take 2·rows KiB rounded to bf16
		before := c.Taken()
		c.Gemm(small, a.RowRange(0, rows), b.RowRange(0, rows), true, false, 0, nil)
		return c.Taken() - before
	}
	first, second := taken(20*512), taken(40*512)
	if !(first >= 20*mebi && second >= 20*mebi && second <= first*9/8) {
		t.Errorf("workspaces of %d and then %d bytes more, want one that doubles", first, second)
	}
	c.Record("work", func() { c.Zero(a.Data) })
	c.Record("work", func() { c.Zero(a.Data) })
	if third := taken(40*512) + taken(10*512); third != 0 {
		t.Errorf("%d bytes more for what is there", third)
	}
	grown := func() int64 {
		before := c.Taken()
		large := compute.MatrixOf(c.Alloc(2*most*512), 2*most, 512)
		c.Gemm(small, large, large, true, false, 0, nil)
		return c.Taken() - before - int64(4*large.Data.Len())
	}()
	if !(grown >= 80*mebi) {
		t.Errorf("a workspace outgrown beside recorded work takes %d bytes, want 80 MiB or more: the old one stays", grown)
	}
}

// A counter takes no memory, whatever it is asked for, and gives back what it is told to.
func TestCounter(t *testing.T) {
	lib, err := dlopen(shimLibrary(t, plain), "shim")
	if err != nil {
		t.Fatal(err)
	}
	c, err := lib.openCounter(132, false)
	if err != nil {
		t.Fatal(err)
	}
	const large = 1 << 38 // values: a terabyte
	b := c.Alloc(large)
	c.Zero(b.Slice(5, large))
	if got := c.Taken(); got != 4*large {
		t.Errorf("%d bytes taken, want %d", got, int64(4*large))
	}
	values := []float32{1, 2, 3}
	if err := c.Download(values, b.Slice(0, 3)); err != nil || values[0] != 0 || values[2] != 0 {
		t.Errorf("downloaded %v, %v, want zeros", values, err)
	}
	if i := c.Info(); i.Kind != "cuda" || i.Memory != 0 || i.Processors != 132 {
		t.Errorf("got %+v", i)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
