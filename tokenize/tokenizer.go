package tokenize

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"rpg/onnxio"
)

// Tokenizer turns weights into tokens and back. Build or Parse make one; it is
// not changed afterwards, and any number of goroutines may use it.
type Tokenizer struct {
	Layout Layout `json:"layout"`
	Stats  Stats  `json:"stats"`
}

// check returns an error unless layout and statistics keep every rule.
func (t *Tokenizer) check() error {
	if err := t.Layout.check(); err != nil {
		return err
	}
	return t.Stats.check(&t.Layout)
}

// Fits returns an error unless m is a model of the graph that t was built for,
// under the selection in its layout.
func (t *Tokenizer) Fits(m *onnxio.Model) error {
	if got := m.Signature(); got != t.Layout.Signature {
		return fmt.Errorf("tokenize: %s: signature %s, expected %s: another graph than the tokenizer's", m.Path, got, t.Layout.Signature)
	}
	if err := sameWeights(&t.Layout, m.Weights()); err != nil {
		return fmt.Errorf("tokenize: %s: %w", m.Path, err)
	}
	return nil
}

// Encode writes the tokens of v to dst, [L*D], padding included (zeros). Weight
// i of v is weight i of the layout. Constant weights are not read, so another
// value there is lost. It returns an error for a value that is not finite, for a
// variance below 0, for a value so far out that its token is not a float32, and
// those of v.
func (t *Tokenizer) Encode(v onnxio.Values, dst []float32) error {
	if len(dst) != t.Layout.Tokens()*t.Layout.TokenDim {
		panic("tokenize: the length of the tokens to encode to is not L*D")
	}
	return t.EncodePart(v, dst, 0)
}

// EncodePart is Encode for the tokens first, first+1, ... only, as many as dst,
// [n*D], has room for: what lets a model pass through memory in pieces.
func (t *Tokenizer) EncodePart(v onnxio.Values, dst []float32, first int) error {
	D := t.Layout.TokenDim
	end := first + len(dst)/D
	if len(dst)%D != 0 || first < 0 || end > t.Layout.Tokens() {
		panic("tokenize: the part to encode to is not a part of the tokens")
	}
	for j := range t.Layout.Weights {
		w := &t.Layout.Weights[j]
		begin, stop := max(first, w.First), min(end, w.First+w.Tokens)
		if begin >= stop {
			continue
		}
		if err := t.encode(v, j, dst[(begin-first)*D:(stop-first)*D], (begin-w.First)*D); err != nil {
			return err
		}
	}
	return nil
}

// encode writes tokens of weight j, from its value off on.
func (t *Tokenizer) encode(v onnxio.Values, j int, tokens []float32, off int) error {
	w, s := &t.Layout.Weights[j], &t.Stats.Weights[j]
	values := tokens[:min(len(tokens), w.Values()-off)]
	if err := w.readKept(v, j, values, off); err != nil {
		return fmt.Errorf("tokenize: %w", err)
	}
	isVariance := w.Role == onnxio.RoleVariance
	for e, x := range values {
		if err := checkValue(x, isVariance); err != nil {
			return fmt.Errorf("tokenize: %sweight %q: %w at %s", fileOf(v), w.Name, err, where(w.element(off+e), w.Shape))
		}
		y := (forward(w.Transform, s.Center, float64(x)) - s.Mean) / s.Std
		if !(math.Abs(y) <= math.MaxFloat32) {
			return fmt.Errorf("tokenize: %sweight %q: %g is %g standard deviations from the mean, expected a float32, at %s",
				fileOf(v), w.Name, x, y, where(w.element(off+e), w.Shape))
		}
		values[e] = float32(y)
	}
	clear(tokens[len(values):])
	return nil
}

// fileOf names the file that v reads from, if it is a file, for an error.
func fileOf(v onnxio.Values) string {
	if m, ok := v.(*onnxio.Model); ok {
		return m.Path + ": "
	}
	return ""
}

// Decode gives the weights that tokens, [L*D], stand for. They are computed when
// they are read; tokens is kept and must not be changed before the last read.
// Padding is ignored. Reading returns an error for a token that stands for a
// weight that is not a finite float32. Any number of goroutines may read.
func (t *Tokenizer) Decode(tokens []float32) onnxio.Values {
	if len(tokens) != t.Layout.Tokens()*t.Layout.TokenDim {
		panic("tokenize: the length of the tokens to decode is not L*D")
	}
	return decoded{t, func(dst []float32, off int) error {
		copy(dst, tokens[off:])
		return nil
	}}
}

// DecodeFrom is Decode for tokens that are not in memory: read fills dst with
// the values off, off+1, ... of the L*D. Its errors are passed on.
func (t *Tokenizer) DecodeFrom(read func(dst []float32, off int) error) onnxio.Values {
	return decoded{t, read}
}

// decoded are the weights that tokens stand for.
type decoded struct {
	*Tokenizer
	read func(dst []float32, off int) error
}

// ReadValues implements onnxio.Values.
func (d decoded) ReadValues(i int, dst []float32, off int) error {
	if i < 0 || i >= len(d.Layout.Weights) {
		return fmt.Errorf("tokenize: weight %d, expected 0 to %d", i, len(d.Layout.Weights)-1)
	}
	w, s := &d.Layout.Weights[i], &d.Stats.Weights[i]
	if off < 0 || off > w.Elements || len(dst) > w.Elements-off {
		return fmt.Errorf("tokenize: weight %q: elements %d to %d, expected some of %d", w.Name, off, off+len(dst), w.Elements)
	}
	if w.Constant() {
		for e := range dst {
			dst[e] = float32(s.Mean)
		}
		return nil
	}
	kept, first := dst, off
	if w.Zeros != nil {
		first = w.ranks.before(w.Zeros, off)
		kept = dst[:w.ranks.before(w.Zeros, off+len(dst))-first]
	}
	if err := d.read(kept, w.First*d.Layout.TokenDim+first); err != nil {
		return fmt.Errorf("tokenize: %w", err)
	}
	for e, y := range kept {
		x := float32(inverse(w.Transform, s.Center, s.Mean+s.Std*float64(y)))
		if !finite(float64(x)) {
			return fmt.Errorf("tokenize: weight %q: token value %g gives %g, expected a finite weight, at %s",
				w.Name, y, x, where(w.element(first+e), w.Shape))
		}
		kept[e] = x
	}
	if w.Zeros != nil {
		w.spread(dst, off, len(kept))
	}
	return nil
}

// element is the number, among all elements, of the one that has so many before
// it that are not left out.
func (w *Weight) element(value int) int {
	if w.Zeros == nil {
		return value
	}
	return w.ranks.find(w.Zeros, value)
}

// Tokens gives the tokens of v as a tensor of shape [L, D]. Errors are those of
// Encode.
func (t *Tokenizer) Tokens(v onnxio.Values) (*tensor.Dense, error) {
	L, D := t.Layout.Tokens(), t.Layout.TokenDim
	data := make([]float32, L*D)
	if err := t.Encode(v, data); err != nil {
		return nil, err
	}
	return tensor.New(tensor.WithShape(L, D), tensor.WithBacking(data)), nil
}

// Values gives the weights that a tensor of shape [L, D] of float32 stands for,
// as Decode does. The tensor's memory is kept. It returns an error for another
// shape, another type, or a view that is not contiguous.
func (t *Tokenizer) Values(tokens *tensor.Dense) (onnxio.Values, error) {
	want := tensor.Shape{t.Layout.Tokens(), t.Layout.TokenDim}
	if !tokens.Shape().Eq(want) {
		return nil, fmt.Errorf("tokenize: tokens of shape %v, expected %v", tokens.Shape(), want)
	}
	data, ok := tokens.Data().([]float32)
	if !ok || tokens.RequiresIterator() || len(data) != want.TotalSize() {
		return nil, fmt.Errorf("tokenize: tokens of type %v, expected contiguous float32", tokens.Dtype())
	}
	return t.Decode(data), nil
}
