package generator

import (
	"testing"

	"rpg/internal/shareddata"
	"rpg/onnxio"
	"rpg/tokenize"
)

// BenchmarkStep takes training steps of the presets at full size; -cpu gives
// the number of threads.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name, preset, folder string
		parameters           int
	}{
		{"paper-cnnm", "paper", "zoo/cifar10-cnn-medium", 10_853},
		{"fast-cnnm", "fast", "zoo/cifar10-cnn-medium", 10_853},
		{"paper-resnet20", "paper", "zoo/cifar10-resnet20", 272_474},
		{"fast-resnet20", "fast", "zoo/cifar10-resnet20", 272_474},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg, zoo := benchZoo(b, c.preset, c.folder, c.parameters)
			tr := newTrainer(openCPU(b, 0), cfg, zoo)
			tr.start()
			flop := 2 * 3 * float64(tr.rows*tr.net.den.multiplies()+tr.models*tr.l*tr.net.rec.multiplies())
			steps := func(n int) {
				for range n {
					if _, err := tr.next(); err != nil {
						b.Fatal(err)
					}
				}
			}
			steps(1)
			b.ReportAllocs()
			b.ResetTimer()
			steps(b.N)
			b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// benchZoo reads eight checkpoints of a folder of shared/data.
func benchZoo(b *testing.B, preset, folder string, parameters int) (Config, *Zoo) {
	var models []*onnxio.Model
	for _, path := range shareddata.Models(b, folder)[:8] {
		m, err := onnxio.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Close() })
		models = append(models, m)
	}
	r, err := Resolve(parameters, []Override{{"preset", preset, "benchmark"}})
	if err != nil {
		b.Fatal(err)
	}
	tok, err := tokenize.Build(models, tokenize.Options{TokenDim: r.Config.TokenDim, Stats: r.Config.Stats, Granularity: "tensor"})
	if err != nil {
		b.Fatal(err)
	}
	z := &Zoo{Tokenizer: tok, Count: len(models)}
	size := tok.Layout.Tokens() * r.Config.TokenDim
	z.Tokens = make([]float32, z.Count*size)
	for i, m := range models {
		if err := tok.Encode(m, z.Tokens[i*size:(i+1)*size]); err != nil {
			b.Fatal(err)
		}
	}
	return r.Config, z
}
