package onnxio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// WithWeightsAsInputs returns the bytes of a model with the same graph whose
// weights are inputs instead of stored values, so that one runtime session
// serves any number of variants: names[i] is the input for weight i of
// Weights, of its type and shape. A weight that is listed among the inputs
// already keeps its place there; the others follow the model's own inputs in
// the order of Weights. Everything else is kept. The result is in memory and
// as large as the file without its weights.
func (m *Model) WithWeightsAsInputs() (model []byte, names []string, err error) {
	listed := map[string]bool{}
	for _, in := range m.main.inputs {
		listed[in.name] = true
	}
	var drop []extent
	var added []byte
	for _, t := range m.weights {
		names = append(names, t.Name)
		drop = append(drop, t.entry)
		if !listed[t.Name] {
			added = appendBytes(added, graphInput, valueInfo(t.Name, t.DType, t.Shape))
		}
	}
	slices.SortFunc(drop, func(a, b extent) int { return int(min(max(a.at-b.at, -1), 1)) })

	kept := int64(len(added)) + m.main.body.size()
	for _, e := range drop {
		kept -= e.size()
	}
	const most = 1<<31 - 1 // what protobuf can parse, and so every runtime
	if left := m.size - m.mainField.size() + kept; left > most {
		return nil, nil, &Error{File: m.Path, Offset: -1, What: "the model without its weights is too large",
			Expected: fmt.Sprintf("at most %d bytes", most), Found: fmt.Sprint(left), Err: ErrUnsupported}
	}
	var out bytes.Buffer
	out.Grow(int(m.size - m.mainField.size() + kept + 16))
	buf := make([]byte, chunkBytes)
	if err := m.copy(&out, extent{0, m.mainField.at}, buf); err != nil {
		return nil, nil, err
	}
	head := binary.AppendUvarint(nil, modelGraph<<3|wireBytes)
	out.Write(binary.AppendUvarint(head, uint64(kept)))
	pos := m.main.body.at
	for _, e := range append(drop, extent{m.main.body.end, m.main.body.end}) {
		if err := m.copy(&out, extent{pos, e.at}, buf); err != nil {
			return nil, nil, err
		}
		pos = e.end
	}
	out.Write(added)
	if err := m.copy(&out, extent{m.main.body.end, m.size}, buf); err != nil {
		return nil, nil, err
	}
	return out.Bytes(), names, nil
}

// valueInfo is a ValueInfoProto of a tensor.
func valueInfo(name string, d DType, shape []int) []byte {
	var dims []byte
	for _, n := range shape {
		dims = appendBytes(dims, shapeDim, appendVarint(nil, dimValue, uint64(n)))
	}
	var typ []byte
	typ = appendVarint(typ, tensorTypeElement, uint64(d))
	typ = appendBytes(typ, tensorTypeShape, dims)
	var v []byte
	v = appendBytes(v, portName, name)
	return appendBytes(v, portType, appendBytes(nil, typeTensor, typ))
}
