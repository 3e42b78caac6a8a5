package secondreader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"rpg/onnxio"
)

// The answers of Compare.
const (
	Agrees     = "agrees"
	Differs    = "differs"
	NotCovered = "not covered"
)

// Compare reads m's file with onnx-go and compares every operator of the main
// graph with its inputs and outputs, in the file's order, and every stored tensor
// that onnx-go can decode (float32, float64, int32 and int64), bit for bit. The
// status is Agrees, Differs or NotCovered. The reason says what differs, why it
// is not covered, or how many tensors agree.
//
// Memory is a few times that of the graph, which may have 16 MiB, and of a tensor
// in typed fields, which may have 64 MiB; raw_data is compared piece by piece.
func Compare(ctx context.Context, m *onnxio.Model) (status, reason string) {
	r := m.Reader()
	return compareWith(ctx, m, &file{src: r, size: r.Size(), window: make([]byte, 0, 64<<10)})
}

// compareWith compares m with what onnx-go reads in f.
func compareWith(ctx context.Context, m *onnxio.Model, f *file) (status, reason string) {
	rest, parts, err := f.split()
	if errors.Is(err, errTooLarge) {
		return NotCovered, fmt.Sprintf("the graph without its tensors has more than the %d bytes that the second reader is given", maxGraph)
	} else if err != nil {
		return NotCovered, "the file cannot be taken apart: " + err.Error()
	}
	seen, err := decode(rest)
	if err != nil {
		return NotCovered, "onnx-go: " + short(err.Error())
	}
	if what := graphDifference(m.Operators(), seen.operators); what != "" {
		return Differs, what
	}
	ours, total := map[string]*onnxio.Tensor{}, 0
	for _, t := range m.Tensors() {
		switch t.Stored {
		case onnxio.StoredInitializer, onnxio.StoredConstant, onnxio.StoredExternal:
			ours[t.Name] = t
			total++
		}
	}
	compared, why := 0, ""
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return NotCovered, err.Error()
		}
		theirs, err := f.open(p)
		if err != nil {
			return NotCovered, "the file cannot be taken apart: " + err.Error()
		}
		t := ours[theirs.name]
		if t == nil {
			return Differs, fmt.Sprintf("tensor %q is not there for onnxio", theirs.name)
		}
		delete(ours, theirs.name)
		if _, ok := typeOf(t.DType); !ok || t.Elements == 0 || t.Stored == onnxio.StoredExternal {
			continue
		}
		var differs errDiffers
		switch err := compareTensor(m, t, theirs); {
		case err == nil:
			compared++
		case errors.As(err, &differs):
			return Differs, fmt.Sprintf("tensor %q: %s", t.Name, differs)
		case why == "":
			why = ": onnx-go: " + short(err.Error())
		}
	}
	for _, t := range m.Tensors() {
		if t.Stored == onnxio.StoredInitializer && ours[t.Name] == t {
			return Differs, fmt.Sprintf("tensor %q is not there for onnx-go", t.Name)
		}
	}
	if compared == 0 && total > 0 {
		return NotCovered, fmt.Sprintf("onnx-go decodes none of the %d stored tensors%s", total, why)
	}
	return Agrees, fmt.Sprintf("%d of %d stored tensors and %d operators compared%s", compared, total, len(seen.operators), why)
}

// typeOf gives the type that onnx-go decodes d as, if it does so rightly; its
// bool is 8 bytes wide.
func typeOf(d onnxio.DType) (t tensor.Dtype, ok bool) {
	switch d {
	case onnxio.Float32:
		return tensor.Float32, true
	case onnxio.Float64:
		return tensor.Float64, true
	case onnxio.Int32:
		return tensor.Int32, true
	case onnxio.Int64:
		return tensor.Int64, true
	}
	return t, false
}

// compareTensor compares our reading of t with theirs. What is different is an
// errDiffers, any other error is one of reading.
func compareTensor(m *onnxio.Model, t *onnxio.Tensor, theirs *pieces) error {
	dtype, _ := typeOf(t.DType)
	width := int(dtype.Size())
	// gorgonia has one element without a shape where ONNX may have [] or [1,1].
	if theirs.cut && !slices.Equal(theirs.dims, t.Shape) {
		return errDiffers(fmt.Sprintf("shape %v for the second reader and %v for onnxio", theirs.dims, t.Shape))
	}
	next := func() ([]byte, error) {
		d, err := theirs.next(int64(width))
		if err != nil {
			return nil, err
		}
		if d.Dtype() != dtype {
			return nil, errDiffers(fmt.Sprintf("type %v for onnx-go and %v for onnxio", d.Dtype(), t.DType))
		}
		if !theirs.cut && t.Elements > 1 && !slices.Equal(d.Shape(), t.Shape) {
			return nil, errDiffers(fmt.Sprintf("shape %v for onnx-go and %v for onnxio", d.Shape(), t.Shape))
		}
		return elements(d)
	}
	to := &matcher{next: next, dtype: t.DType, width: width}
	if err := m.WriteTensor(to, t); err != nil {
		return err
	}
	return to.end()
}

// graphDifference tells the first operator in which two graphs differ, or "".
func graphDifference(ours, theirs []onnxio.Operator) string {
	for i := range min(len(ours), len(theirs)) {
		a, b := ours[i], theirs[i]
		if a.Op != b.Op {
			return fmt.Sprintf("operator %d is %s for onnx-go and %s for onnxio", i, b.Op, a.Op)
		}
		if !slices.Equal(a.Outputs, b.Outputs) {
			return fmt.Sprintf("operator %d (%s) makes %q for onnx-go and %q for onnxio", i, a.Op, b.Outputs, a.Outputs)
		}
		// onnx-go tells inputs only of operators with outputs, and gives one to an
		// operator without any.
		if len(a.Outputs) == 0 || len(a.Inputs) == 0 && len(b.Inputs) == 1 {
			continue
		}
		if !slices.Equal(a.Inputs, b.Inputs) {
			return fmt.Sprintf("operator %d (%s) takes %q for onnx-go and %q for onnxio", i, a.Op, b.Inputs, a.Inputs)
		}
	}
	if len(ours) != len(theirs) {
		return fmt.Sprintf("onnx-go reads %d operators, onnxio %d", len(theirs), len(ours))
	}
	return ""
}

// short cuts a message that prints a whole model.
func short(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}
