package tokenize

import (
	"fmt"
	"math"

	"rpg/onnxio"
)

const (
	// LayoutVersion is the version of Layout and Stats that this package writes
	// and reads.
	LayoutVersion = 1

	// GranularityTensor cuts each weight into tokens by itself.
	GranularityTensor = "tensor"

	// MaxTokenDim is the largest token width D.
	MaxTokenDim = 1 << 20

	// maxValues bounds L*D, far above any model that exists and far below the
	// overflow of an int.
	maxValues = 1 << 42
)

// Layout says where each weight of a model lies in its tokens. It is a value:
// the functions of this package do not change it.
type Layout struct {
	Version     int      `json:"version"`
	TokenDim    int      `json:"token_dim"`   // D, values in a token
	Granularity string   `json:"granularity"` // always GranularityTensor
	Signature   string   `json:"signature"`   // of the graph under Selection, see onnxio
	Weights     []Weight `json:"weights"`     // in the order of Model.Weights

	// Selection is what was included and excluded by name. A model must be
	// given it (Model.Select) before its weights are those of the layout.
	Selection onnxio.Selection `json:"selection,omitzero"`
}

// Weight is the place of one weight: tokens First to First+Tokens-1 of the
// sequence. A constant weight has no tokens.
type Weight struct {
	Name      string      `json:"name"` // in the first model of the zoo, for people
	Role      onnxio.Role `json:"role"`
	Shape     []int       `json:"shape"`
	Elements  int         `json:"elements"`
	First     int         `json:"first"`
	Tokens    int         `json:"tokens"`
	Transform string      `json:"transform"` // one of the Transform constants
	Zeros     Zeros       `json:"zeros,omitempty"`

	ranks ranks // of Zeros
}

// Values is the number of elements that are generated: those that Zeros does not
// mark, and none of a constant.
func (w *Weight) Values() int {
	switch {
	case w.Constant():
		return 0
	case w.Zeros == nil:
		return w.Elements
	}
	return w.Elements - w.Zeros.count()
}

// Constant tells whether the weight had one value everywhere in the zoo, so that
// it is copied and not generated.
func (w *Weight) Constant() bool { return w.Transform == TransformConstant }

// Tokens gives L, the number of tokens of a model.
func (l *Layout) Tokens() int {
	if len(l.Weights) == 0 {
		return 0
	}
	last := &l.Weights[len(l.Weights)-1]
	return last.First + last.Tokens
}

// Valid gives the number of real values in each token, length L, each from 1 to
// D. The values behind them are padding.
func (l *Layout) Valid() []int32 {
	valid := make([]int32, l.Tokens())
	for j := range l.Weights {
		w := &l.Weights[j]
		left := w.Values()
		for i := range w.Tokens {
			valid[w.First+i] = int32(min(left, l.TokenDim))
			left -= l.TokenDim
		}
	}
	return valid
}

// place numbers the tokens: it fills First and Tokens of every weight from
// Elements, Zeros, Transform and TokenDim.
func (l *Layout) place() {
	first := 0
	for j := range l.Weights {
		w := &l.Weights[j]
		w.First, w.Tokens = first, ceilDiv(w.Values(), l.TokenDim)
		first += w.Tokens
	}
}

// check returns an error that names the first field that breaks a rule of a
// layout. It trusts nothing: a layout may come from a file.
func (l *Layout) check() error {
	if l.Version != LayoutVersion {
		return fmt.Errorf("layout: version %d, expected %d", l.Version, LayoutVersion)
	}
	if err := checkTokenDim(l.TokenDim); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if err := checkGranularity(l.Granularity); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	if !isSignature(l.Signature) {
		return fmt.Errorf("layout: signature %q, expected 64 hexadecimal digits", l.Signature)
	}
	first := 0
	for j := range l.Weights {
		w := &l.Weights[j]
		if err := w.check(l.TokenDim, first); err != nil {
			return fmt.Errorf("layout: weight %d %q: %w", j, w.Name, err)
		}
		first += w.Tokens
		if first > maxValues/l.TokenDim {
			return fmt.Errorf("layout: weight %d %q: more than %d values of tokens in all", j, w.Name, maxValues)
		}
	}
	if first == 0 {
		return fmt.Errorf("layout: %d weights and no token: nothing to generate", len(l.Weights))
	}
	return nil
}

// check returns an error for the first field of w that breaks a rule, where D is
// the token width and first the number of tokens before w.
func (w *Weight) check(D, first int) error {
	if w.Role == "" {
		return fmt.Errorf("no role")
	}
	elements := 1
	for _, n := range w.Shape {
		if n < 1 || n > maxValues/elements {
			return fmt.Errorf("shape %v, expected positive sizes and at most %d elements", w.Shape, maxValues)
		}
		elements *= n
	}
	if w.Elements != elements {
		return fmt.Errorf("%d elements, shape %v has %d", w.Elements, w.Shape, elements)
	}
	if w.Zeros != nil {
		if w.Transform != TransformNone {
			return fmt.Errorf("zeros with transform %q, expected %q", w.Transform, TransformNone)
		}
		if err := w.Zeros.check(elements); err != nil {
			return err
		}
	}
	switch w.Transform {
	case TransformConstant:
	case TransformNone:
		if w.Role == onnxio.RoleVariance {
			return fmt.Errorf("transform %q, expected a logarithm for a variance", w.Transform)
		}
	case TransformLog, TransformPaperLog:
		if w.Role != onnxio.RoleVariance {
			return fmt.Errorf("transform %q for role %q, expected role %q", w.Transform, w.Role, onnxio.RoleVariance)
		}
	default:
		return fmt.Errorf("transform %q, expected one of %q, %q, %q, %q", w.Transform,
			TransformNone, TransformLog, TransformPaperLog, TransformConstant)
	}
	if tokens := ceilDiv(w.Values(), D); w.Tokens != tokens {
		return fmt.Errorf("%d tokens, expected %d for %d values", w.Tokens, tokens, w.Values())
	}
	if w.First != first {
		return fmt.Errorf("first token %d, expected %d", w.First, first)
	}
	return nil
}

func checkTokenDim(d int) error {
	if d < 1 || d > MaxTokenDim {
		return fmt.Errorf("token width %d, expected 1 to %d", d, MaxTokenDim)
	}
	return nil
}

func checkGranularity(g string) error {
	if g != GranularityTensor {
		return fmt.Errorf("granularity %q, expected %q", g, GranularityTensor)
	}
	return nil
}

func isSignature(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

// ceilDiv gives a/b rounded up, for a >= 0 and b > 0.
func ceilDiv(a, b int) int { return a/b + min(a%b, 1) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
