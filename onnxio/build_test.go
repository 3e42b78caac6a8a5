package onnxio

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// The models of these tests are put together from wire bytes, so that each
// field can be left out, doubled, misplaced or broken.

// num is a varint field.
func num(number uint64, value int64) []byte { return appendVarint(nil, number, uint64(value)) }

// sub is a field of bytes: a string, or a message of the given fields.
func sub(number uint64, parts ...[]byte) []byte {
	return appendBytes(nil, number, bytes.Join(parts, nil))
}

func str(number uint64, s string) []byte { return appendBytes(nil, number, s) }

// fix32 is a fixed32 field.
func fix32(number uint64, v float32) []byte {
	b := binary.AppendUvarint(nil, number<<3|wireFixed32)
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

func floatBytes(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func int64Bytes(values ...int64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// modelBytes is a ModelProto of ONNX opset 17 around the fields of a graph.
func modelBytes(graph ...[]byte) []byte {
	return join(num(modelIRVersion, 8), str(modelProducerName, "test"), sub(modelGraph, graph...), opset("", 17))
}

func opset(domain string, version int64) []byte {
	return sub(modelOpsetImport, str(opsetDomain, domain), num(opsetVersion, version))
}

func metadata(key, value string) []byte {
	return sub(modelMetadata, str(entryKey, key), str(entryValue, value))
}

// call is a node of a graph; inputs and outputs are names with spaces between,
// "-" for an omitted one.
func call(op, inputs, outputs string, more ...[]byte) []byte {
	var parts [][]byte
	for _, s := range strings.Fields(inputs) {
		parts = append(parts, str(nodeInput, strings.Trim(s, "-")))
	}
	for _, s := range strings.Fields(outputs) {
		parts = append(parts, str(nodeOutput, strings.Trim(s, "-")))
	}
	parts = append(parts, str(nodeOpType, op))
	return sub(graphNode, append(parts, more...)...)
}

func attr(name string, kind int64, value ...[]byte) []byte {
	return sub(nodeAttribute, str(attrName, name), join(value...), num(attrKind, kind))
}

// dimsOf is the dims field of a tensor, packed.
func dimsOf(dims ...int64) []byte {
	var b []byte
	for _, d := range dims {
		b = binary.AppendUvarint(b, uint64(d))
	}
	return appendBytes(nil, tensorDims, b)
}

// tensorOf is a TensorProto's fields: name, type, shape, and data fields.
func tensorOf(name string, d DType, dims []int64, data ...[]byte) []byte {
	return join(dimsOf(dims...), num(tensorDType, int64(d)), join(data...), str(tensorName, name))
}

// ramp gives n different values: start, start+1/8, ...
func ramp(start float32, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = start + float32(i)/8
	}
	return v
}

// weight is a float32 initializer with the values of ramp, in raw_data.
func weight(name string, start float32, dims ...int64) []byte {
	return sub(graphInitializer, tensorOf(name, Float32, dims, appendBytes(nil, tensorRawData, floatBytes(ramp(start, product(dims))...))))
}

func product(dims []int64) int {
	n := 1
	for _, d := range dims {
		n *= int(d)
	}
	return n
}

// ints is an int64 initializer.
func ints(name string, values ...int64) []byte {
	return sub(graphInitializer, tensorOf(name, Int64, []int64{int64(len(values))}, appendBytes(nil, tensorRawData, int64Bytes(values...))))
}

// constant is a Constant node whose value is a float32 tensor.
func constant(name string, start float32, dims ...int64) []byte {
	data := appendBytes(nil, tensorRawData, floatBytes(ramp(start, product(dims))...))
	return call("Constant", "", name, attr("value", kindTensor, sub(attrTensor, tensorOf("value", Float32, dims, data))))
}

// in and out are a graph's input and output, float32; -1 is an unnamed dimension.
func in(name string, dims ...int64) []byte  { return sub(graphInput, portOf(name, dims...)) }
func out(name string, dims ...int64) []byte { return sub(graphOutput, portOf(name, dims...)) }

func portOf(name string, dims ...int64) []byte {
	var shape []byte
	for _, d := range dims {
		var dim []byte
		if d >= 0 {
			dim = num(dimValue, d)
		}
		shape = appendBytes(shape, shapeDim, dim)
	}
	return join(str(portName, name), sub(portType, sub(typeTensor, num(tensorTypeElement, int64(Float32)), sub(tensorTypeShape, shape))))
}

// open parses a model that must be right.
func open(t testing.TB, data []byte) *Model {
	t.Helper()
	m, err := Parse("test.onnx", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// weightNames lists the names of m's weights in order.
func weightNames(m *Model) string {
	var names []string
	for _, w := range m.Weights() {
		names = append(names, w.Name)
	}
	return strings.Join(names, " ")
}

func find(t testing.TB, m *Model, name string) *Tensor {
	t.Helper()
	for _, x := range m.Tensors() {
		if x.Name == name {
			return x
		}
	}
	t.Fatalf("no tensor %q", name)
	return nil
}
