package onnxio

import (
	"bytes"
	"encoding/binary"
)

// scatter puts nodes into t's graph that make the dense float32 tensor output
// from t's values, which the input name has: zeros of the dense shape with the
// values in their places. Readers take sparse tensors as stored ones only.
func (l *lifter) scatter(t *Tensor, name, output string) error {
	places, err := l.places(t)
	if err != nil {
		return err
	}
	dims := t.sparse.dims
	shape := make([]int64, len(dims))
	for i, n := range dims {
		shape[i] = int64(n)
	}
	l.node(t.in, "Constant", nil, name+".shape", integers([]int{len(dims)}, shape))
	l.node(t.in, "ConstantOfShape", []string{name + ".shape"}, name+".zeros", nil)
	l.node(t.in, "Constant", nil, name+".places", integers([]int{t.Elements, len(dims)}, places))
	l.node(t.in, "ScatterND", []string{name + ".zeros", name + ".places", name}, output, nil)
	l.gone[t.sparse.indices] = true
	return nil
}

// places are the indices of a sparse tensor's values in its dense shape, one for
// each dimension: [values, dimensions]. A list of numbers counts the dense tensor's
// elements in row-major order.
func (l *lifter) places(t *Tensor) ([]int64, error) {
	var b bytes.Buffer
	if err := l.m.WriteTensor(&b, t.sparse.indices); err != nil {
		return nil, err
	}
	stored := make([]int64, b.Len()/8)
	for i := range stored {
		stored[i] = int64(binary.LittleEndian.Uint64(b.Bytes()[8*i:]))
	}
	dims := t.sparse.dims
	if len(t.sparse.indices.Shape) == 2 {
		return stored, nil
	}
	if size := 8 * int64(len(stored)) * int64(len(dims)); size > maxProtobuf {
		return nil, l.tooLarge(size)
	}
	places := make([]int64, len(stored)*len(dims))
	for i, at := range stored {
		for j := len(dims) - 1; j >= 0; j-- {
			n := int64(max(1, dims[j]))
			places[i*len(dims)+j], at = at%n, at/n
		}
	}
	return places, nil
}

// integers is the AttributeProto of a Constant's int64 tensor.
func integers(shape []int, values []int64) []byte {
	var x, raw []byte
	for _, n := range shape {
		x = appendVarint(x, tensorDims, uint64(n))
	}
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	x = appendBytes(appendVarint(x, tensorDType, uint64(Int64)), tensorRawData, raw)
	a := appendBytes(appendBytes(nil, attrName, "value"), attrTensor, x)
	return appendVarint(a, attrKind, kindTensor)
}
