package tokenize

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"rpg/fixtures"
	"rpg/internal/shareddata"
	"rpg/onnxio"
)

// open opens the models of a folder, at most n of them, in order of name.
func open(t *testing.T, dir string, n int) []*onnxio.Model {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no *.onnx, %v", dir, err)
	}
	var models []*onnxio.Model
	for _, path := range paths[:min(n, len(paths))] {
		m, err := onnxio.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		models = append(models, m)
	}
	return models
}

// embedded opens the first n models of the embedded zoo.
func embedded(t *testing.T, n int) []*onnxio.Model {
	t.Helper()
	var models []*onnxio.Model
	for _, name := range fixtures.ZooNames()[:n] {
		models = append(models, parse(t, name, embeddedFile(t, name)))
	}
	return models
}

func embeddedFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(fixtures.Zoo(), name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, name string, file []byte) *onnxio.Model {
	t.Helper()
	m, err := onnxio.Parse(name, bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t *testing.T, v onnxio.Values, i, n int) []float32 {
	t.Helper()
	values := make([]float32, n)
	if err := v.ReadValues(i, values, 0); err != nil {
		t.Fatal(err)
	}
	return values
}

// worstError encodes and decodes every model of a zoo. It gives the largest
// error of a weight, in standard deviations of its tensor over the zoo, and the
// number of weights that are farther off than 1e-6 of them. Such a weight fails
// the test unless it lies more than 8 deviations from the mean and is off by no
// more than the spacing of float32 there.
func worstError(t *testing.T, models []*onnxio.Model, tok *Tokenizer) (worst float64, far int) {
	t.Helper()
	mean := make([]float64, len(tok.Layout.Weights))
	std := make([]float64, len(tok.Layout.Weights))
	for i, w := range tok.Layout.Weights {
		var raw moments
		for _, m := range models {
			block := make([]float64, w.Elements)
			for e, x := range read(t, m, i, w.Elements) {
				block[e] = float64(x)
			}
			raw.add(block)
		}
		mean[i], std[i] = raw.mean, raw.std()
	}
	tokens := make([]float32, tok.Layout.Tokens()*tok.Layout.TokenDim)
	for _, m := range models {
		if err := tok.Encode(m, tokens); err != nil {
			t.Fatal(err)
		}
		back := tok.Decode(tokens)
		for i, w := range tok.Layout.Weights {
			want, got := read(t, m, i, w.Elements), read(t, back, i, w.Elements)
			for e := range want {
				diff := abs(float64(got[e]) - float64(want[e]))
				if diff == 0 {
					continue
				}
				size := float32(abs(float64(want[e])))
				spacing := float64(math.Nextafter32(size, math.MaxFloat32)) - float64(size)
				if !(diff <= 1e-6*std[i]) {
					far++
					if !(abs(float64(want[e])-mean[i]) > 8*std[i] && diff <= spacing) {
						t.Fatalf("%s: %q: %s is %g, expected %g: %g standard deviations off",
							m.Path, w.Name, where(e, w.Shape), got[e], want[e], diff/std[i])
					}
				}
				worst = max(worst, diff/std[i])
			}
		}
	}
	return worst, far
}

// TestRealZoosComeBack is the promise of the package: every weight of every
// model comes back within 1e-6 of its tensor's standard deviation.
func TestRealZoosComeBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		models int // of the zoo, to keep the test short
		D      int
		far    bool // the zoo has values far beyond 8 standard deviations
	}{
		{"cifar10-cnn-medium", 50, 256, false},
		{"cifar10-resnet20", 4, 1024, false},
		{"digits-mlp-seeds", 200, 100, false},
		{"acasxu", 45, 333, true},
		{"imagenet-squeezenet", 2, 4096, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			models := open(t, shareddata.Path(t, "zoo/"+c.name), c.models)
			tok, err := Build(models, pooled(c.D))
			if err != nil {
				t.Fatal(err)
			}
			worst, far := worstError(t, models, tok)
			t.Logf("%d weights, %d tokens of %d: worst error %.2g standard deviations, %d weights off by more than 1e-6",
				len(tok.Layout.Weights), tok.Layout.Tokens(), c.D, worst, far)
			if (far > 0) != c.far {
				t.Errorf("%d weights are off by more than 1e-6 standard deviations, the worst by %.2g", far, worst)
			}
		})
	}
}

func TestTheEmbeddedZoo(t *testing.T) {
	models := embedded(t, 50)
	tok, err := Build(models, pooled(256))
	if err != nil {
		t.Fatal(err)
	}
	elements := 0
	for _, w := range tok.Layout.Weights {
		elements += w.Elements
	}
	if L := tok.Layout.Tokens(); elements != 10853 || L != 48 {
		t.Errorf("%d weights in %d tokens, expected 10853 in 48", elements, L)
	}
	if worst, _ := worstError(t, models, tok); !(worst <= 1e-6) {
		t.Errorf("worst error %g standard deviations, expected at most 1e-6", worst)
	}
	// What is pooled has mean 0 and deviation 1 in tokens.
	valid := tok.Layout.Valid()
	tokens := make([]float32, len(valid)*256)
	all := make([]moments, len(tok.Layout.Weights))
	for _, m := range models {
		if err := tok.Encode(m, tokens); err != nil {
			t.Fatal(err)
		}
		for i, w := range tok.Layout.Weights {
			for l := w.First; l < w.First+w.Tokens; l++ {
				block := make([]float64, valid[l])
				for e := range block {
					block[e] = float64(tokens[l*256+e])
				}
				all[i].add(block)
			}
		}
	}
	for i := range all {
		if !(abs(all[i].mean) <= 1e-6) || !(abs(all[i].std()-1) <= 1e-6) {
			t.Errorf("weight %d: tokens of mean %g and deviation %g, expected 0 and 1", i, all[i].mean, all[i].std())
		}
	}
	// The same numbers through the file.
	text, err := tok.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(tok, again) {
		t.Error("the tokenizer read from its JSON differs")
	}
	if err := again.Fits(models[7]); err != nil {
		t.Error(err)
	}
}

func TestOneModelIsEnough(t *testing.T) {
	models := embedded(t, 1)
	for _, o := range []Options{pooled(64), paper(64)} {
		tok, err := Build(models, o)
		if err != nil {
			t.Fatal(err)
		}
		if worst, _ := worstError(t, models, tok); !(worst <= 1e-6) {
			t.Errorf("%s: worst error %g standard deviations, expected at most 1e-6", o.Stats, worst)
		}
	}
}

func TestValuesCanBeReadInPieces(t *testing.T) {
	m := embedded(t, 1)[0]
	tok, err := Build([]*onnxio.Model{m}, pooled(100))
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]float32, tok.Layout.Tokens()*100)
	if err := tok.Encode(m, tokens); err != nil {
		t.Fatal(err)
	}
	back := tok.Decode(tokens)
	for i, w := range tok.Layout.Weights {
		whole := read(t, back, i, w.Elements)
		for _, size := range []int{1, 7, 99, 100, 101} {
			for off := 0; off < w.Elements; off += size {
				piece := make([]float32, min(size, w.Elements-off))
				if err := back.ReadValues(i, piece, off); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(piece, whole[off:off+len(piece)]) {
					t.Fatalf("weight %d from %d: %v, expected %v", i, off, piece, whole[off:off+len(piece)])
				}
			}
		}
	}
}

func TestOtherGraphsAreRefused(t *testing.T) {
	cnn := embedded(t, 1)
	tok, err := Build(cnn, pooled(64))
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, shareddata.Path(t, "zoo/digits-mlp-seeds"), 1)[0]
	_, err = Build([]*onnxio.Model{cnn[0], other}, pooled(64))
	wantError(t, err, "tokenize: "+other.Path, cnn[0].Path, cnn[0].Difference(other))
	wantError(t, tok.Fits(other), "tokenize: "+other.Path, other.Signature(), cnn[0].Signature())
}

// TestBadValuesNameTheFile changes one stored float of a real file.
func TestBadValuesNameTheFile(t *testing.T) {
	name := fixtures.ZooNames()[0]
	file := embeddedFile(t, name)
	good := parse(t, name, file)
	const i = 2
	w := good.Weights()[i]
	var stored []byte
	for _, x := range read(t, good, i, w.Elements) {
		stored = binary.LittleEndian.AppendUint32(stored, math.Float32bits(x))
	}
	at := bytes.Index(file, stored)
	if at < 0 {
		t.Fatalf("the values of %q are not in the file in one piece", w.Name)
	}
	for what, bits := range map[string]uint32{"NaN": 0x7fc00000, "+Inf": 0x7f800000, "-Inf": 0xff800000} {
		changed := bytes.Clone(file)
		binary.LittleEndian.PutUint32(changed[at+4*5:], bits)
		bad := parse(t, "bad.onnx", changed)
		_, err := Build([]*onnxio.Model{good, bad}, pooled(64))
		wantError(t, err, "tokenize: bad.onnx: ", w.Name, what, where(5, w.Shape))
		tok, err := Build([]*onnxio.Model{good}, pooled(64))
		if err != nil {
			t.Fatal(err)
		}
		err = tok.Encode(bad, make([]float32, tok.Layout.Tokens()*64))
		wantError(t, err, "tokenize: bad.onnx: ", w.Name, what, where(5, w.Shape))
	}
}

// TestMemoryDoesNotGrowWithTheZoo counts what one more model costs.
func TestMemoryDoesNotGrowWithTheZoo(t *testing.T) {
	m := memory{ramp(1 << 20)}
	list := tensors(m, onnxio.RoleWeight)
	b := newBuilder(pooled(256), "m0", testSignature, list)
	allocations := testing.AllocsPerRun(5, func() {
		if err := b.add(source{"m0", list, m}); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 8 {
		t.Errorf("%g allocations for a model of %d values, expected a few", allocations, 1<<20)
	}
}

func BenchmarkBuild(b *testing.B) {
	m := memory{ramp(1 << 22)}
	list := tensors(m, onnxio.RoleWeight)
	build := newBuilder(pooled(256), "m0", testSignature, list)
	b.SetBytes(4 << 22)
	for b.Loop() {
		if err := build.add(source{"m0", list, m}); err != nil {
			b.Fatal(err)
		}
	}
}
