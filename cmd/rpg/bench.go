package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/generator/compute"
)

// benchNames are what `rpg bench` takes.
var benchNames = []string{"gemm", "evaluate", "io"}

func (s *session) benchVerb() verb {
	return verb{
		name: "bench", usage: "measure this machine with rpg's own code", arguments: "[gemm|evaluate|io]...",
		description: "Each figure is the median of several runs. Without a name everything is measured.",
		examples:    "rpg bench\nrpg bench gemm --threads 1 --json",
		flags:       append(computeFlags(), ioFlags()...),
		run: func(c *cli.Context) error {
			names := c.Args().Slice()
			for _, n := range names {
				if !slices.Contains(benchNames, n) {
					return usagef(didYouMean(n, benchNames, "rpg bench ", "rpg bench -h"), "bench: expected gemm, evaluate or io, found %q", n)
				}
			}
			if len(names) == 0 {
				names = benchNames
			}
			return s.bench(c, names)
		},
	}
}

// benchRow is one measurement.
type benchRow struct {
	Name   string   `json:"name"`
	Shape  string   `json:"shape"`
	Value  float64  `json:"value"`
	Unit   string   `json:"unit"`
	OfPeak *float64 `json:"of_peak"` // null where no peak is known
}

func (s *session) bench(c *cli.Context, names []string) error {
	m, err := machineOf(c)
	if err != nil {
		return err
	}
	d, err := s.openDevice(m)
	if err != nil {
		return err
	}
	defer d.Close()
	rows := []benchRow{}
	for _, name := range names {
		var more []benchRow
		switch name {
		case "gemm":
			more, err = s.benchGemm(d)
		case "evaluate":
			more, err = s.benchEvaluate(m)
		case "io":
			more, err = s.benchIO(c)
		}
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	if s.json {
		return s.answerJSON(struct {
			Schema  string     `json:"schema"`
			Device  string     `json:"device"`
			Threads int        `json:"threads"`
			Rows    []benchRow `json:"rows"`
		}{"rpg.bench/1", d.Info().Name, d.Info().Threads, rows})
	}
	t := table{{"NAME", "SHAPE", "VALUE", "UNIT"}}
	for _, r := range rows {
		t = append(t, []string{r.Name, r.Shape, fmt.Sprintf("%.4g", r.Value), r.Unit})
	}
	t.write(s.out)
	return nil
}

// benchGemm measures matrix products of the shapes that training uses.
func (s *session) benchGemm(d compute.Device) ([]benchRow, error) {
	var rows []benchRow
	for _, g := range []struct {
		m, n, k        int
		transA, transB bool
	}{
		{512, 512, 512, false, false},
		{1024, 1024, 1024, false, false},
		{384, 1536, 512, false, true},
		{512, 1536, 384, true, false},
		{64, 4096, 1024, false, true},
	} {
		a, b, x := d.Alloc(g.m*g.k), d.Alloc(g.k*g.n), d.Alloc(g.m*g.n)
		d.Normal(a, 1, 0)
		d.Normal(b, 1, 1)
		am, bm := compute.MatrixOf(a, g.m, g.k), compute.MatrixOf(b, g.k, g.n)
		shape := fmt.Sprintf("%dx%dx%d", g.m, g.n, g.k)
		if g.transA {
			am, shape = compute.MatrixOf(a, g.k, g.m), shape+" A'"
		}
		if g.transB {
			bm, shape = compute.MatrixOf(b, g.n, g.k), shape+" B'"
		}
		xm := compute.MatrixOf(x, g.m, g.n)
		seconds, err := s.median(d, func() { d.Gemm(xm, am, bm, g.transA, g.transB, 0, nil) })
		if err != nil {
			return nil, err
		}
		flop := 2 * float64(g.m) * float64(g.n) * float64(g.k)
		rows = append(rows, benchRow{Name: "gemm", Shape: shape, Value: flop / seconds / 1e9, Unit: "GFLOP/s"})
	}
	return rows, nil
}

// median runs work again and again for about 0.4 s (at least five times, after
// one warm-up) and gives the median time of one run in seconds.
func (s *session) median(d compute.Device, work func()) (float64, error) {
	work()
	if err := d.Sync(); err != nil {
		return 0, err
	}
	var times []float64
	for begun := time.Now(); len(times) < 5 || time.Since(begun) < 400*time.Millisecond; {
		if err := s.ctx.Err(); err != nil {
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
