package tokenize

import (
	"strings"
	"testing"

	"rpg/onnxio"
)

const testSignature = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// memory are weights that lie in memory; it implements onnxio.Values.
type memory [][]float32

func (m memory) ReadValues(i int, dst []float32, off int) error {
	copy(dst, m[i][off:off+len(dst)])
	return nil
}

// tensors gives one weight of the given role for each weight of m.
func tensors(m memory, role onnxio.Role) []*onnxio.Tensor {
	var list []*onnxio.Tensor
	for j, values := range m {
		list = append(list, &onnxio.Tensor{
			Name: string(rune('a' + j)), Shape: []int{len(values)}, Elements: len(values), Role: role,
		})
	}
	return list
}

// build is Build over a zoo in memory, models named m0, m1 and so on.
func build(o Options, role onnxio.Role, zoo ...memory) (*Tokenizer, error) {
	b := newBuilder(o, "m0", testSignature, tensors(zoo[0], role))
	for n, m := range zoo {
		if err := b.add(source{"m" + string(rune('0'+n)), tensors(m, role), m}); err != nil {
			return nil, err
		}
	}
	return b.finish()
}

func mustBuild(t *testing.T, o Options, role onnxio.Role, zoo ...memory) *Tokenizer {
	t.Helper()
	tok, err := build(o, role, zoo...)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func pooled(D int) Options {
	return Options{TokenDim: D, Stats: StatsPooled, Granularity: GranularityTensor}
}

func paper(D int) Options {
	return Options{TokenDim: D, Stats: StatsPaper, Granularity: GranularityTensor}
}

// ramp gives n different values.
func ramp(n int) []float32 {
	values := make([]float32, n)
	for e := range values {
		values[e] = float32(e%97) - 40.25 + float32(e)/1024
	}
	return values
}

// wantError fails the test unless err's text holds every part.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q, expected it to hold %q", err, p)
		}
	}
}
