package generator

import (
	"math"
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/cpu"
	"rpg/internal/zootest"
)

// testZoo is zootest's, whose first model is a run's template.
func testZoo(t testing.TB, checkpoints, D int) (*Zoo, func(path string) error) {
	t.Helper()
	z := zootest.Read(t, checkpoints, D)
	return &Zoo{Tokenizer: z.Tokenizer, Count: checkpoints, Tokens: z.Tokens, Sources: z.Sources}, z.Template
}

func openCPU(t testing.TB, threads int) compute.Device {
	t.Helper()
	dev, err := cpu.Open(threads)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// small is a configuration that trains in moments.
func small(t testing.TB, overrides ...Override) Resolved {
	t.Helper()
	base := []Override{
		{"token-dim", "512", "test"}, {"width", "16", "test"}, {"state", "8", "test"}, {"head-dim", "8", "test"},
		{"denoiser-width", "24", "test"}, {"blocks", "2", "test"}, {"channels", "1,4,6,8,6,4,1", "test"}, {"kernel", "3", "test"},
		{"batch", "2", "test"}, {"diffusion-batch", "40", "test"}, {"steps", "8", "test"}, {"warmup", "2", "test"},
	}
	r, err := Resolve(10_853, append(base, overrides...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSpread: the distance to the mean counts real values only.
func TestSpread(t *testing.T) {
	zoo, _ := testZoo(t, 2, 512)
	for i := range zoo.Tokens {
		zoo.Tokens[i] = float32(math.NaN()) // stays in the padding
	}
	size := len(zoo.Tokens) / 2
	for token, n := range zoo.Tokenizer.Layout.Valid() {
		for j := range int(n) {
			at, middle := token*512+j, float32(j%7)
			zoo.Tokens[at], zoo.Tokens[size+at] = middle-0.25, middle+0.25
		}
	}
	if got := zoo.Spread(); !(math.Abs(got-0.25) <= 1e-9) {
		t.Errorf("two models 0.25 to either side of their mean: spread %v, want 0.25", got)
	}
}
