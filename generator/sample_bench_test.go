package generator

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkSample samples from the published network as it starts, which costs
// as much as from a trained one, a tenth of the steps of the default; -cpu gives
// the number of threads.
func BenchmarkSample(b *testing.B) {
	for _, c := range []struct {
		name, preset, folder string
		parameters, models   int
	}{
		{"paper-cnnm", "paper", "zoo/cifar10-cnn-medium", 10_853, 1},
		{"paper-cnnm", "paper", "zoo/cifar10-cnn-medium", 10_853, 16},
		{"fast-cnnm", "fast", "zoo/cifar10-cnn-medium", 10_853, 16},
		{"paper-resnet20", "paper", "zoo/cifar10-resnet20", 272_474, 1},
		{"fast-resnet20", "fast", "zoo/cifar10-resnet20", 272_474, 1},
	} {
		b.Run(fmt.Sprintf("%s-%d", c.name, c.models), func(b *testing.B) {
			cfg, zoo := benchZoo(b, c.preset, c.folder, c.parameters)
			dev := openCPU(b, 0)
			steps, err := newSchedule(cfg).steps("ddim", 6, 0, cfg.prediction())
			if err != nil {
				b.Fatal(err)
			}
			s := newSampler(dev, cfg, &zoo.Tokenizer.Layout, zoo.Count, c.models, steps)
			if err := startAt(s, s.net.ps.initial(1)); err != nil {
				b.Fatal(err)
			}
			group := make([]sampleJob, c.models)
			for i := range group {
				group[i] = sampleJob{Sample{Seed: uint64(i), Tokens: make([]float32, s.l*s.d)}, i % zoo.Count}
			}
			for b.Loop() {
				if err := s.sample(context.Background(), group, func(float64) {}); err != nil {
					b.Fatal(err)
				}
			}
			flop := 2 * float64(len(steps)*c.models*s.l*s.net.den.multiplies())
			b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
