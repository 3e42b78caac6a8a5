package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/cuda"
	"rpg/generator/compute"
	"rpg/generator/compute/cpu"
)

// benchNames are the parts of what `rpg bench` measures.
var benchNames = []string{"gemm", "ops", "train", "generate", "evaluate", "io"}

func (s *session) benchVerb() verb {
	flags := append(computeFlags(),
		&cli.Float64Flag{Name: "seconds", Value: 0.5, Usage: "measure each figure for about `S` seconds"})
	return verb{
		name: "bench", usage: "measure this machine with rpg's own code", arguments: "[" + strings.Join(benchNames, "|") + "]...",
		description: "Each figure is the median of several runs. Without a name everything is measured; a\n" +
			"name may be a part (gemm) or one row of it (train/cnnm/paper). OF PEAK is the share of\n" +
			"this machine's own multiply-adds, or, in GB/s, of its copying. --threads N keeps the\n" +
			"process to N cores. With --device cuda there are rows of the published sizes too, the\n" +
			"memory that they take, and PyTorch on the same GPU with --peer.",
		examples: "rpg bench\nrpg bench gemm --threads 1 --json\nrpg bench train/cnnm generate/cnnm/paper/1\n" +
			"rpg bench --peer PEERS --official CHECKOUT --threads 1\nrpg bench train/vit-base --device cuda",
		flags: slices.Concat(flags, ioFlags(), peerFlags()),
		run:   s.bench,
	}
}

// benchCase measures one row, or a few that belong together.
type benchCase struct {
	name string // PART or PART/WHAT
	run  func(b *bench) ([]benchRow, error)
	gpu  bool // too large for a CPU
}

// benchCases lists everything in the order in which it is measured.
func benchCases() []benchCase {
	return slices.Concat(gemmCases(), opCases(), trainCases(), generateCases(), []benchCase{
		{name: "evaluate", run: func(b *bench) ([]benchRow, error) { return b.s.benchEvaluate(b.machine) }},
		{name: "io", run: func(b *bench) ([]benchRow, error) { return b.s.benchIO(b.c) }},
	})
}

// benchRow is one measurement. Peer and Ratio are those of a comparison: what
// the peer reaches, and how many times better rpg's value is.
type benchRow struct {
	Name   string   `json:"name"`
	Shape  string   `json:"shape"`
	Value  float64  `json:"value"`
	Unit   string   `json:"unit"`
	OfPeak *float64 `json:"of_peak"`          // null where no peak is known
	Tokens int      `json:"tokens,omitempty"` // of a model
	Peer   *float64 `json:"peer,omitempty"`
	Ratio  *float64 `json:"ratio,omitempty"`
	Wanted string   `json:"wanted,omitempty"` // of the ratio or the value

	forecast int64 // bytes of the device
}

// bench is one run of the verb.
type bench struct {
	s       *session
	c       *cli.Context
	machine machine
	least   time.Duration // spent on each figure

	device   compute.Device
	bfloat   compute.Device // of bf16 products, nil when this machine has none
	shrink   int            // divides the sizes of rows for GPUs: see shrinkVariable
	peaks    map[compute.Device]float64
	copying  map[int]float64 // bytes/s by the bytes that move
	rowsDone []benchRow
}

func (s *session) bench(c *cli.Context) error {
	m, err := machineOf(c)
	if err != nil {
		return err
	}
	seconds := c.Float64("seconds")
	if !(seconds > 0 && seconds <= 3600) {
		return usagef("", "--seconds: expected more than 0 and at most 3600, found %v", seconds)
	}
	if c.String("peer") != "" {
		return s.benchPeer(c, m)
	}
	cases, err := selectCases(c.Args().Slice(), benchCases())
	if err != nil {
		return err
	}
	if err := pinTo(m.threads); err != nil {
		return err
	}
	// RPG_CPU=avx512bf16 is for the rows of bf16 alone.
	bfloat, noBF16 := cpu.OpenBF16(m.threads)
	if os.Getenv("RPG_CPU") == "avx512bf16" && noBF16 == nil {
		if err := os.Setenv("RPG_CPU", "avx512"); err != nil {
			return err
		}
	}
	d, err := s.openDevice(m)
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Info().Kind != "cuda" {
		if cases, err = withoutGPU(cases, len(c.Args().Slice()) > 0); err != nil {
			return err
		}
	}
	shrink, err := shrinkBy()
	if err != nil {
		return err
	}
	b := &bench{s: s, c: c, machine: m, least: time.Duration(seconds * float64(time.Second)), device: d, shrink: shrink,
		peaks: map[compute.Device]float64{}, copying: map[int]float64{}}
	if d.Info().Kind == "cuda" {
		if noBF16 == nil {
			bfloat.Close()
		}
		bfloat, noBF16 = cuda.Open(m.gpu, true)
	}
	if noBF16 != nil {
		s.detail("no rows of bf16: %v", noBF16)
	} else {
		b.bfloat = bfloat
		defer bfloat.Close()
	}
	p := s.progress("measuring", "cases")
	defer p.close()
	for i, k := range cases {
		p.at(i, len(cases))
		rows, err := k.run(b)
		if err != nil && s.ctx.Err() != nil && len(b.rowsDone) > 0 { // what was measured is not lost
			p.close()
			return errors.Join(s.answerBench(d.Info(), b.rowsDone), err)
		}
		if err != nil {
			return err
		}
		b.rowsDone = append(b.rowsDone, rows...)
		b.tidy()
	}
	p.close()
	return s.answerBench(d.Info(), b.rowsDone)
}

// tidy gives back the memory of a GPU that buffers of the case before took: of what one
// device no longer needs another would find no room.
func (b *bench) tidy() {
	if b.device.Info().Kind != "cuda" {
		return
	}
	runtime.GC()
	for wait := time.Millisecond; wait < 10*time.Millisecond; wait *= 2 { // the collector tells a while later
		time.Sleep(wait)
		b.device.Alloc(0)
		if b.bfloat != nil {
			b.bfloat.Alloc(0)
		}
	}
}

// answerBench prints the rows; rows of a comparison have two columns more.
func (s *session) answerBench(device compute.Info, rows []benchRow) error {
	if s.json {
		return s.answerJSON(struct {
			Schema  string     `json:"schema"`
			Device  string     `json:"device"`
			Threads int        `json:"threads"`
			Rows    []benchRow `json:"rows"`
			Peak    int64      `json:"peak_rss_bytes"` // of this process
		}{"rpg.bench/1", device.Name, device.Threads, rows, peakMemory()})
	}
	bars := slices.ContainsFunc(rows, func(r benchRow) bool { return r.Wanted != "" })
	compared := bars || slices.ContainsFunc(rows, func(r benchRow) bool { return r.Peer != nil })
	t := table{{"NAME", "SHAPE", "VALUE", "UNIT", "OF PEAK"}}
	if compared {
		t = table{{"NAME", "SHAPE", "RPG", "PEER", "UNIT", "RATIO"}}
	}
	if bars {
		t[0] = append(t[0], "WANTED")
	}
	number := func(v *float64, format string) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf(format, *v)
	}
	for _, r := range rows {
		line := []string{r.Name, r.Shape, fmt.Sprintf("%.4g", r.Value)}
		if compared {
			line = append(line, number(r.Peer, "%.4g"), r.Unit, number(r.Ratio, "%.2f"))
		} else {
			line = append(line, r.Unit, number(r.OfPeak, "%.2f"))
		}
		if bars {
			line = append(line, r.Wanted)
		}
		t = append(t, line)
	}
	t.write(s.out)
	return nil
}

// selectCases gives the cases that the arguments name: exactly, or a part of
// the rows by how they begin. Without arguments it gives all.
func selectCases(arguments []string, all []benchCase) ([]benchCase, error) {
	if len(arguments) == 0 {
		return all, nil
	}
	chosen := map[string]bool{}
	for _, a := range arguments {
		found := slices.ContainsFunc(all, func(k benchCase) bool { return k.name == a })
		chosen[a] = found
		for _, k := range all {
			if !chosen[a] && strings.HasPrefix(k.name, a+"/") {
				chosen[k.name], found = true, true
			}
		}
		if !found {
			return nil, usagef(didYouMean(a, caseNames(all), "rpg bench ", "rpg bench -h"),
				"bench: expected %s or one of their rows, found %q", strings.Join(benchNames, ", "), a)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(k benchCase) bool { return !chosen[k.name] }), nil
}

// withoutGPU leaves out the rows that need a GPU. It is an error when there are no
// others and they were named.
func withoutGPU(cases []benchCase, named bool) ([]benchCase, error) {
	rest := slices.DeleteFunc(slices.Clone(cases), func(k benchCase) bool { return k.gpu })
	if named && len(rest) == 0 {
		return nil, usagef("--device cuda", "bench: %s is measured on a GPU only", cases[0].name)
	}
	return rest, nil
}

// shrinkVariable divides the sizes of the rows that are for GPUs only, and the steps of
// all samples, so that they can be rehearsed where the host stands for a GPU: tokens,
// widths and the number of weights by so many, their values by its square.
const shrinkVariable = "RPG_BENCH_SHRINK"

func shrinkBy() (int, error) {
	text := os.Getenv(shrinkVariable)
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || !slices.Contains([]int{1, 2, 4, 8, 16, 32, 64}, n) {
		return 0, usagef("", "bench: %s: expected a power of 2 up to 64, found %q", shrinkVariable, text)
	}
	return n, nil
}

// caseNames are all names that selectCases takes.
func caseNames(all []benchCase) []string {
	var names []string
	for _, k := range all {
		part := strings.Split(k.name, "/")
		for i := range part {
			if n := strings.Join(part[:i+1], "/"); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// flops is a row in GFLOP/s with its share of the device's peak.
func (b *bench) flops(d compute.Device, name, shape string, flop, seconds float64) benchRow {
	share := flop / seconds / b.peak(d)
	return benchRow{Name: name, Shape: shape, Value: flop / seconds / 1e9, Unit: "GFLOP/s", OfPeak: &share}
}

// peak is the floating-point operations a second of d's own multiply-adds or, of
// a GPU, of its best matrix product, measured once; it becomes a row of its own.
func (b *bench) peak(d compute.Device) float64 {
	if b.peaks[d] == 0 {
		name, shape := "peak/fma", "multiply-adds"
		if d.Info().Kind == "cuda" {
			name, shape = "peak/product", fmt.Sprintf("%[1]dx%[1]dx%[1]d", peakProduct/b.shrink)
			b.peaks[d] = b.productPeak(d)
		} else {
			b.peaks[d] = cpu.FMAPeak(d)
		}
		b.rowsDone = append(b.rowsDone, benchRow{Name: withPrecision(name, d == b.bfloat), Shape: shape, Value: b.peaks[d] / 1e9, Unit: "GFLOP/s"})
	}
	return b.peaks[d]
}

// peakProduct is the size of a square product that fills any GPU of today.
const peakProduct = 8192

// productPeak is the operations a second of that product, the best of some runs.
// A device that fails says so in the next measurement.
func (b *bench) productPeak(d compute.Device) float64 {
	n := peakProduct / b.shrink
	x, y, z := compute.MatrixOf(normals(d, 0, n*n), n, n), compute.MatrixOf(normals(d, 1, n*n), n, n), compute.MatrixOf(d.Alloc(n*n), n, n)
	best := math.Inf(1)
	for range 5 {
		begun := time.Now()
		d.Gemm(z, x, y, false, false, 0, nil)
		if d.Sync() != nil {
			break
		}
		best = min(best, time.Since(begun).Seconds())
	}
	return 2 * float64(n*n) * float64(n) / best
}

// median runs work again and again for the time of a figure (at least five
// times, after one warm-up) and gives the median time of one run in seconds.
func (b *bench) median(d compute.Device, work func()) (float64, error) {
	work()
	if err := d.Sync(); err != nil {
		return 0, err
	}
	var times []float64
	for begun := time.Now(); len(times) < 5 || time.Since(begun) < b.least; {
		if err := b.s.ctx.Err(); err != nil {
			return 0, err
		}
		one := time.Now()
		work()
		if err := d.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(one).Seconds())
	}
	return middle(times), nil
}

// middle is the median of times, which it sorts.
func middle(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/2]
}
