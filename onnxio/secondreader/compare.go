package secondreader

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	onnx "github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"

	"rpg/onnxio"
)

// The answers of Compare.
const (
	Agrees     = "agrees"
	Differs    = "differs"
	NotCovered = "not covered"
)

// What the second reader is given: it holds all of the file in memory several
// times over, and allocates every value whose shape the file declares.
const (
	maxBytes    = 1 << 30
	maxDeclared = 1 << 28 // elements
)

// Compare reads m's file with onnx-go and compares the operators in the
// file's order, and every stored tensor of the main graph that onnx-go can decode
// (float32, float64, int32 and int64), bit for bit. The status is Agrees,
// Differs or NotCovered. The reason says what differs, why it is not covered, or
// how many tensors agree.
func Compare(m *onnxio.Model) (status, reason string) {
	if size := m.Info().Bytes; size > maxBytes {
		return NotCovered, fmt.Sprintf("the file has %d bytes, more than the second reader is given", size)
	}
	if n := m.Info().Declared; !(n <= maxDeclared) {
		return NotCovered, fmt.Sprintf("the file declares values of %g elements, more than the second reader is given", n)
	}
	data, err := io.ReadAll(m.Reader())
	if err != nil {
		return NotCovered, "the file cannot be read: " + err.Error()
	}
	return compareWith(m, data)
}

// compareWith compares m with what onnx-go reads in data.
func compareWith(m *onnxio.Model, data []byte) (status, reason string) {
	seen, err := decode(data)
	if err != nil {
		return NotCovered, "onnx-go: " + short(err.Error())
	}
	if ours := m.Operators(); !slices.Equal(ours, seen.operators) {
		return Differs, fmt.Sprintf("onnx-go reads %d operators, onnxio %d; %s", len(seen.operators), len(ours), firstDifference(seen.operators, ours))
	}
	compared, total := 0, 0
	for _, t := range m.Tensors() {
		if t.Stored != onnxio.StoredInitializer && t.Stored != onnxio.StoredConstant {
			continue
		}
		total++
		theirs := seen.tensors[t.Name]
		if theirs == nil || !decodable(t.DType) || t.Elements == 0 {
			continue
		}
		what, err := difference(m, t, theirs)
		if err != nil {
			return NotCovered, err.Error()
		}
		if what != "" {
			return Differs, fmt.Sprintf("tensor %q: %s", t.Name, what)
		}
		compared++
	}
	if compared == 0 && total > 0 {
		return NotCovered, fmt.Sprintf("onnx-go decodes none of the %d stored tensors", total)
	}
	return Agrees, fmt.Sprintf("%d of %d stored tensors and %d operators compared", compared, total, len(seen.operators))
}

// decodable are the types that onnx-go decodes rightly; its bool is 8 bytes wide.
func decodable(d onnxio.DType) bool {
	return d == onnxio.Float32 || d == onnxio.Float64 || d == onnxio.Int32 || d == onnxio.Int64
}

// decode lets onnx-go read a model. Whatever it panics with becomes an error.
func decode(data []byte) (seen *recorder, err error) {
	defer func() {
		if p := recover(); p != nil {
			seen, err = nil, fmt.Errorf("it panics: %v", p)
		}
	}()
	r := newRecorder()
	if err := onnx.NewModel(r).UnmarshalBinary(data); err != nil {
		return nil, err
	}
	r.collect()
	return r, nil
}

// short cuts a message that prints a whole model.
func short(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}

func firstDifference(theirs, ours []string) string {
	for i := range min(len(theirs), len(ours)) {
		if theirs[i] != ours[i] {
			return fmt.Sprintf("number %d is %s for onnx-go and %s for onnxio", i, theirs[i], ours[i])
		}
	}
	return "one list is the beginning of the other"
}

// difference compares our reading of t with theirs; "" when they are equal.
func difference(m *onnxio.Model, t *onnxio.Tensor, theirs tensor.Tensor) (what string, err error) {
	defer func() {
		if p := recover(); p != nil {
			what, err = "", fmt.Errorf("onnx-go's tensor %q cannot be read: %v", t.Name, p)
		}
	}()
	ours, err := m.Dense(t)
	if err != nil {
		return "", err
	}
	// gorgonia has one element without a shape where ONNX may have [] or [1,1].
	if t.Elements > 1 && !ours.Shape().Eq(theirs.Shape()) {
		return fmt.Sprintf("shape %v for onnx-go and %v for onnxio", theirs.Shape(), ours.Shape()), nil
	}
	switch a := values(ours).(type) {
	case []float32:
		return compare(a, values(theirs), func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }), nil
	case []float64:
		return compare(a, values(theirs), func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }), nil
	case []int32:
		return compare(a, values(theirs), func(x, y int32) bool { return x == y }), nil
	case []int64:
		return compare(a, values(theirs), func(x, y int64) bool { return x == y }), nil
	}
	return "", errors.New("a type that is not compared")
}

// compare tells the first element in which two lists differ, or "".
func compare[T any](ours []T, other any, same func(x, y T) bool) string {
	theirs, ok := other.([]T)
	if !ok {
		return fmt.Sprintf("type %T for onnx-go and %T for onnxio", other, ours)
	}
	if len(theirs) != len(ours) {
		return fmt.Sprintf("%d elements for onnx-go and %d for onnxio", len(theirs), len(ours))
	}
	for i := range ours {
		if !same(ours[i], theirs[i]) {
			return fmt.Sprintf("element %d is %v for onnx-go and %v for onnxio", i, theirs[i], ours[i])
		}
	}
	return ""
}

// values gives a tensor's elements as a slice, also of a scalar.
func values(t tensor.Tensor) any {
	switch v := t.Data().(type) {
	case float32:
		return []float32{v}
	case float64:
		return []float64{v}
	case int32:
		return []int32{v}
	case int64:
		return []int64{v}
	default:
		return v
	}
}
