package main

import (
	"errors"
	"fmt"
	"time"

	"rpg/cuda"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/tokenize"
)

// card is a GPU by its data sheet: memory in GiB, and FLOP/s of products of float32
// without tensor cores, and of bf16 with float32 sums, none of them sparse.
type card struct {
	name      string
	memory    int64
	f32, bf16 float64
}

var cards = []card{
	{"GeForce RTX 4090", 24, 82.6e12, 165e12},
	{"A100 40 GB", 40, 19.5e12, 312e12},
	{"A100 80 GB", 80, 19.5e12, 312e12},
	{"H100 SXM 80 GB", 80, 67e12, 989e12},
}

// What a training and a sample are assumed to reach, of a data sheet's peak and of
// what a large product reaches on the device itself; and what is left of a GPU's
// memory to CUDA itself and to what others have.
const (
	shareOfPeak    = 0.4
	shareOfProduct = 0.6
	cudaItself     = 1 << 30
)

// processors of an H100, for a forecast without a GPU.
const processors = 132

// prospect is a forecast for one device.
type prospect struct {
	Name     string  `json:"name"`
	Memory   int64   `json:"memory_bytes"` // 0: not known
	Rate     float64 `json:"flop_per_s"`   // of products
	Measured bool    `json:"measured"`     // else by the data sheet
	Share    float64 `json:"share"`        // of the rate that is assumed to be reached
	Trains   bool    `json:"holds_training"`
	Samples  bool    `json:"holds_sampling"`
	Train    float64 `json:"train_s"`
	Sample   float64 `json:"sample_s"`
}

// expect fills in what follows from the rate and the memory.
func (p prospect) expect(f generator.Forecast, steps int) prospect {
	p.Trains = p.Memory == 0 || f.DeviceBytes+cudaItself <= p.Memory
	p.Samples = p.Memory == 0 || f.SampleBytes+cudaItself <= p.Memory
	done := f.DoneFLOP
	if f.AsideBytes <= room(p.Memory, f) {
		done -= f.AgainFLOP
	}
	p.Train, p.Sample = done*float64(steps)/(p.Share*p.Rate), f.SampleFLOP/(p.Share*p.Rate)
	return p
}

// room is what training may take of a GPU's memory beyond its forecast, 0 or less for
// none. A tenth of it all is left to others.
func room(memory int64, f generator.Forecast) int64 {
	return memory/10*9 - cudaItself - f.DeviceBytes
}

// plannedDevice opens the device that m asks for, for a forecast: nil where a GPU is
// asked for and there is none.
func (s *session) plannedDevice(m machine) (compute.Device, error) {
	d, _, err := m.open()
	if err != nil && m.kind == "cuda" {
		s.say("no GPU here, and the forecast needs none: %s", shortly(err))
		return nil, nil
	}
	return d, err
}

// forecast says what a training will cost on d, or with nil on some GPU.
func (s *session) forecast(c generator.Config, t *tokenize.Tokenizer, models int, m machine, d compute.Device) (generator.Forecast, error) {
	info := compute.Info{Kind: "cuda", Processors: processors, BF16: m.precision == "bf16"}
	if d != nil {
		info = d.Info()
	}
	if info.Kind != "cuda" {
		return generator.Plan(c, t, models, info), nil
	}
	var counters [2]cuda.Counter
	for i := range counters {
		counter, err := cuda.OpenCounter(info.Processors, info.BF16)
		var missing *cuda.MissingError
		if errors.As(err, &missing) {
			s.say("what operations take for themselves is not in the forecast: %s", shortly(err))
			return generator.Plan(c, t, models, info), nil
		}
		if err != nil {
			return generator.Forecast{}, err
		}
		defer counter.Close()
		counters[i] = counter
	}
	return generator.PlanOn(counters[0], counters[1], c, t, models)
}

// prospects are those of d and, where a GPU is asked for, of the cards.
func prospects(f generator.Forecast, steps int, m machine, d compute.Device) ([]prospect, error) {
	var all []prospect
	if d != nil {
		rate, err := productRate(d)
		if err != nil {
			return nil, err
		}
		i := d.Info()
		all = append(all, prospect{Name: i.Name, Memory: i.Memory, Rate: rate, Measured: true, Share: shareOfProduct}.expect(f, steps))
	}
	if m.kind == "cuda" {
		for _, c := range cards {
			rate := c.f32
			if m.precision == "bf16" {
				rate = c.bf16
			}
			all = append(all, prospect{Name: c.name, Memory: c.memory << 30, Rate: rate, Share: shareOfPeak}.expect(f, steps))
		}
	}
	return all, nil
}

// productRate is what a product of n × n × n reaches on d, in FLOP/s: the first n
// that takes a while, or 8192.
func productRate(d compute.Device) (float64, error) {
	for n := 128; ; n *= 2 {
		a, b, c := normals(d, 0, n*n), normals(d, 1, n*n), d.Alloc(n*n)
		product := func() error {
			d.Gemm(compute.MatrixOf(c, n, n), compute.MatrixOf(a, n, n), compute.MatrixOf(b, n, n), false, true, 0, nil)
			return d.Sync()
		}
		if err := product(); err != nil { // the first one may have to choose its way
			return 0, err
		}
		begun := time.Now()
		if err := product(); err != nil {
			return 0, err
		}
		took := time.Since(begun)
		if took >= 10*time.Millisecond || n == 8192 {
			return 2 * float64(n) * float64(n) * float64(n) / took.Seconds(), nil
		}
	}
}

// sayProspects prints a table of them and where the figures come from.
func (s *session) sayProspects(all []prospect) {
	t := table{{"DEVICE", "MEMORY", "TFLOP/S", "TRAINING", "A SAMPLE"}}
	measured, sheets := false, false
	for _, p := range all {
		memory, train, sample := "", duration(p.Train), duration(p.Sample)
		if p.Memory > 0 {
			memory = size(p.Memory)
		}
		if !p.Trains {
			train = "too small"
		}
		if !p.Samples {
			sample = "too small"
		}
		t = append(t, []string{p.Name, memory, fmt.Sprintf("%.3g", p.Rate/1e12), train, sample})
		measured, sheets = measured || p.Measured, sheets || !p.Measured
	}
	s.printf("\n")
	t.write(s.out)
	s.printf("\n")
	if measured {
		s.printf("The first row is this machine's, at %.0f %% of what a large matrix product reaches on it.\n", 100*shareOfProduct)
	}
	if sheets {
		s.printf("Arithmetic, not measured: cards at %.0f %% of their data sheet's peak.\n", 100*shareOfPeak)
	}
}
