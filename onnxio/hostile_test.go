package onnxio

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// nested is a graph in which depth If nodes lie inside one another.
func nested(depth int) []byte {
	g := []byte(nil)
	for range depth {
		g = call("If", "c", "y", attr("then_branch", kindGraph, sub(attrGraph, g, out("y"))))
	}
	return modelBytes(in("c"), g, out("y"))
}

// nestedType is a graph whose input is a sequence of sequences.
func nestedType(depth int) []byte {
	typ := []byte(nil)
	for range depth {
		typ = sub(typeSequence, sub(1, typ))
	}
	return modelBytes(sub(graphInput, str(portName, "x"), sub(portType, typ)))
}

func init32(dims []int64, data ...[]byte) []byte {
	return modelBytes(sub(graphInitializer, tensorOf("w", Float32, dims, data...)))
}

// TestRefused has every way in which a file can be wrong, and what is said.
func TestRefused(t *testing.T) {
	raw := func(n int) []byte { return appendBytes(nil, tensorRawData, make([]byte, n)) }
	good := modelBytes(in("x", 1, 4), call("MatMul", "x w", "y"), weight("w", 0, 4, 2), out("y", 1, 2))
	open(t, good) // what the cut and changed files below start from is right
	cases := []struct {
		name string
		data []byte
		is   error
		want []string // parts of the message
	}{
		// Not ONNX at all.
		{"empty file", nil, ErrNotONNX, []string{"not an ONNX model", "an empty file"}},
		{"PNG", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), ErrNotONNX, []string{"a PNG picture"}},
		{"text", []byte("layer,weight\nconv1,0.5\n"), ErrNotONNX, []string{"a text file"}},
		{"long text with accents", []byte(strings.Repeat("é", 200)), ErrNotONNX, []string{"a text file"}},
		{"Git LFS pointer", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), ErrNotONNX, []string{"Git LFS pointer"}},
		{"PyTorch checkpoint", []byte("PK\x03\x04\x00\x00"), ErrNotONNX, []string{"PyTorch checkpoint"}},
		{"Keras weights", []byte("\x89HDF\r\n\x1a\n\x00\x00"), ErrNotONNX, []string{"HDF5"}},
		{"safetensors", []byte("\x10\x00\x00\x00\x00\x00\x00\x00{\"__metadata__\":{}}"), ErrNotONNX, []string{"safetensors"}},
		{"TensorFlow Lite", []byte("\x1c\x00\x00\x00TFL3\x14\x00"), ErrNotONNX, []string{"TensorFlow Lite"}},
		{"zeros", make([]byte, 64), ErrNotONNX, []string{"bytes that are not a ModelProto"}},
		{"noise", []byte("\xf3\x91\x7e\x00\xc2\xff\xff\xff"), ErrNotONNX, []string{"bytes that are not a ModelProto"}},
		{"another protobuf message", join(str(2, "x"), num(5, 3), num(30, 1)), ErrNotONNX, []string{"ir_version"}},
		{"no ir_version", sub(modelGraph, in("x")), ErrNotONNX, []string{"no ir_version"}},

		// Cut off.
		{"cut inside the graph", good[:len(good)-20], ErrTruncated, []string{"the file is truncated: field 7", "at byte 8", "before the end of the file"}},
		{"cut inside a length", join(num(modelIRVersion, 8), []byte{modelGraph<<3 | wireBytes, 0x80}), ErrTruncated, []string{"length is cut off"}},
		{"cut inside a key", join(num(modelIRVersion, 8), []byte{0x80}), ErrTruncated, []string{"field key is cut off", "at byte 2"}},
		{"cut inside a varint", []byte{modelIRVersion << 3, 0x80}, ErrNotONNX, []string{"not a ModelProto"}},
		{"cut before the graph", join(num(modelIRVersion, 8), str(modelProducerName, "test")), ErrTruncated, []string{"no graph"}},
		{"cut before the operator sets", join(num(modelIRVersion, 8), sub(modelGraph, in("x"))), ErrTruncated, []string{"names no operator set"}},

		// Broken wire format.
		{"varint too long", modelBytes(sub(graphInitializer, []byte{tensorDType << 3}, bytes.Repeat([]byte{0xff}, 10))), ErrInvalid, []string{"does not fit 64 bits", "initializer 0"}},
		{"varint of 65 bits", modelBytes([]byte{200 << 3 & 0x7f, 1}, bytes.Repeat([]byte{0x80}, 9), []byte{2}), ErrInvalid, []string{"does not fit 64 bits"}},
		{"varint past its message", modelBytes(sub(graphInitializer, []byte{tensorDType << 3, 0x80})), ErrInvalid, []string{"is cut off", "before the end of its message"}},
		{"length past its message", modelBytes(sub(graphInitializer, []byte{tensorRawData<<3 | wireBytes, 100})), ErrInvalid, []string{"field 9 is too long", "expected 100 bytes, found 0 before the end of its message"}},
		{"length of 2^63", modelBytes(sub(graphInitializer, []byte{tensorRawData<<3 | wireBytes}, bytes.Repeat([]byte{0xff}, 9), []byte{1})), ErrInvalid, []string{"field 9 is too long"}},
		{"fixed32 past its message", modelBytes(sub(graphInitializer, []byte{tensorFloatData<<3 | wireFixed32, 0})), ErrInvalid, []string{"fixed-width value is cut off"}},
		{"fixed64 past its message", modelBytes(sub(graphInitializer, []byte{tensorDoubleData<<3 | wireFixed64, 0})), ErrInvalid, []string{"fixed-width value is cut off", "expected 8 bytes"}},
		{"group", modelBytes([]byte{1<<3 | 3}), ErrInvalid, []string{"unknown protobuf wire type", "found 3"}},
		{"field number 0", modelBytes([]byte{0, 0}), ErrInvalid, []string{"impossible protobuf field number"}},
		{"graph as a number", join(num(modelIRVersion, 8), num(modelGraph, 1)), ErrInvalid, []string{"field graph has the wrong protobuf wire type", "expected [2], found 0"}},
		{"node as a number", modelBytes(num(graphNode, 1)), ErrInvalid, []string{"wrong protobuf wire type", "the graph"}},
		{"dims as a float", modelBytes(sub(graphInitializer, fix32(tensorDims, 1))), ErrInvalid, []string{"field dims has the wrong protobuf wire type", "expected [0 2], found 5"}},
		{"raw_data as a number", modelBytes(sub(graphInitializer, num(tensorRawData, 1))), ErrInvalid, []string{"field raw_data has the wrong"}},
		{"float_data as a number", modelBytes(sub(graphInitializer, num(tensorFloatData, 1))), ErrInvalid, []string{"field float_data has the wrong"}},
		{"name as a number", modelBytes(sub(graphInitializer, num(tensorName, 1))), ErrInvalid, []string{"field tensor name has the wrong"}},
		{"attribute as a number", modelBytes(call("Relu", "", "y", num(nodeAttribute, 1))), ErrInvalid, []string{"field attribute has the wrong", "node 0 (Relu)"}},
		{"huge name", modelBytes(sub(graphInitializer, str(tensorName, strings.Repeat("n", MaxNameBytes+1)))), ErrLimit, []string{"tensor name is too long"}},
		{"two graphs", join(num(modelIRVersion, 8), sub(modelGraph), sub(modelGraph)), ErrInvalid, []string{"a second graph"}},
		{"graphs too deep", nested(MaxDepth + 2), ErrLimit, []string{"nested too deep", "at most 32"}},
		{"types too deep", nestedType(MaxDepth + 2), ErrLimit, []string{"types nested too deep"}},

		// Tensors whose parts contradict one another.
		{"negative dimension", init32([]int64{2, -3}, raw(24)), ErrInvalid, []string{`initializer 0 "w"`, "dimension 1 is negative", "found -3"}},
		{"product overflows", init32([]int64{1 << 40, 1 << 40}, raw(8)), ErrInvalid, []string{`"w"`, "overflows", "[1099511627776,1099511627776]"}},
		{"bytes overflow", init32([]int64{1 << 61}, raw(8)), ErrInvalid, []string{`"w"`, "too large"}},
		{"raw_data too short", init32([]int64{2, 3}, raw(23)), ErrInvalid, []string{`"w"`, "raw_data does not match", "expected 24 bytes for float32 [2,3], found 23"}},
		{"raw_data too long", init32([]int64{2, 3}, raw(25)), ErrInvalid, []string{"expected 24 bytes", "found 25"}},
		{"raw_data of a scalar", init32(nil, raw(8)), ErrInvalid, []string{"expected 4 bytes for float32 [], found 8"}},
		{"no data", init32([]int64{2}), ErrInvalid, []string{"amount of data", "expected 2 values for shape [2], found 0"}},
		{"too few floats", init32([]int64{3}, appendBytes(nil, tensorFloatData, floatBytes(1, 2))), ErrInvalid, []string{"expected 3 values", "found 2"}},
		{"broken float_data", init32([]int64{1}, appendBytes(nil, tensorFloatData, make([]byte, 7))), ErrInvalid, []string{"float_data of a broken length", "multiple of 4"}},
		{"raw_data twice", init32([]int64{1}, raw(4), raw(4)), ErrInvalid, []string{"a second raw_data"}},
		{"raw_data and float_data", init32([]int64{1}, raw(4), fix32(tensorFloatData, 1)), ErrInvalid, []string{"two kinds of data"}},
		{"data of another type", init32([]int64{1}, num(tensorInt64Data, 1)), ErrInvalid, []string{"data of the wrong kind, for float32"}},
		{"no type", modelBytes(sub(graphInitializer, tensorOf("w", 0, []int64{1}, raw(4)))), ErrInvalid, []string{"no data type"}},
		{"unknown type", modelBytes(sub(graphInitializer, tensorOf("w", 99, []int64{1}, raw(4)))), ErrUnsupported, []string{"unknown data type", "found 99"}},
		{"strings in raw_data", modelBytes(sub(graphInitializer, tensorOf("w", String, []int64{1}, raw(4)))), ErrInvalid, []string{"strings in raw_data"}},
		{"half a 4-bit byte", modelBytes(sub(graphInitializer, tensorOf("w", 22, []int64{3}, raw(1)))), ErrInvalid, []string{"expected 2 bytes for int4 [3], found 1"}},
		{"external data", init32([]int64{2}, num(tensorDataLocation, 1), sub(tensorExternalData, str(1, "location"), str(2, "w.bin"))), ErrUnsupported, []string{`"w"`, `external data: a model that is not a file has no folder for "w.bin"`}},
		{"external data without the flag", init32([]int64{2}, sub(tensorExternalData, str(1, "location"))), ErrInvalid, []string{"external_data that data_location does not announce"}},
		{"segments", init32([]int64{2}, sub(tensorSegment)), ErrUnsupported, []string{"stored in segments"}},
		{"sparse without indices", modelBytes(sub(graphSparse, sub(sparseValues, tensorOf("s", Float32, []int64{1}, raw(4))), num(sparseDims, 9))), ErrInvalid, []string{"sparse tensor without values or indices"}},

		// Graphs that cannot be.
		{"node without operator", modelBytes(call("", "", "y")), ErrInvalid, []string{"node 0", "no operator"}},
		{"input from nowhere", modelBytes(in("x"), call("Add", "x ghost", "y"), out("y")), ErrInvalid, []string{"node 0 (Add)", `input 1, "ghost", is made by nothing`}},
		{"output from nowhere", modelBytes(in("x"), out("ghost")), ErrInvalid, []string{`"ghost"`, "is made by nothing"}},
		{"value made twice", modelBytes(in("x"), call("Relu", "x", "y"), call("Abs", "x", "y"), out("y")), ErrInvalid, []string{"node 1 (Abs)", `output "y" is made elsewhere`}},
		{"node makes an initializer", modelBytes(in("x"), weight("w", 0, 2), call("Relu", "x", "w")), ErrInvalid, []string{`output "w" is made elsewhere`}},
		{"initializer twice", modelBytes(weight("w", 0, 2), weight("w", 0, 2)), ErrInvalid, []string{`two initializers are called "w"`}},
		{"initializer without name", modelBytes(sub(graphInitializer, tensorOf("", Float32, []int64{1}, raw(4)))), ErrInvalid, []string{"has no name"}},
		{"input twice", modelBytes(in("x"), in("x")), ErrInvalid, []string{"input 1 has no name of its own"}},
		{"circle", modelBytes(in("x"), call("Add", "x b", "a"), call("Relu", "a", "b"), out("b")), ErrInvalid, []string{"needs its own output"}},
		{"node feeds itself", modelBytes(call("Relu", "a", "a"), out("a")), ErrInvalid, []string{"node 0 (Relu)", "needs its own output"}},
		{"circle through a branch", modelBytes(in("c"), call("If", "c", "a", attr("then_branch", kindGraph, sub(attrGraph, call("Relu", "a", "r"), out("r")))), out("a")), ErrInvalid, []string{"needs its own output"}},
		{"branch takes nothing's value", modelBytes(in("c"), call("If", "c", "a", attr("then_branch", kindGraph, sub(attrGraph, call("Relu", "ghost", "r"), out("r")))), out("a")), ErrInvalid, []string{`"ghost"`, "made by nothing"}},
		{"function takes a value from outside", join(modelBytes(in("x"), call("F", "x", "y", str(nodeDomain, "d")), out("y")), sub(modelFunctions, str(functionName, "F"), str(functionDomain, "d"), str(functionInput, "a"), str(functionOutput, "b"), sub(functionNode, str(nodeInput, "x"), str(nodeOutput, "b"), str(nodeOpType, "Relu")))), ErrInvalid, []string{`local function "F"`, "made by nothing"}},
		{"tensor twice in an attribute", modelBytes(call("Constant", "", "c", attr("value", kindTensor, sub(attrTensor, tensorOf("", Float32, nil, raw(4))), sub(attrTensor, tensorOf("", Float32, nil, raw(4)))))), ErrInvalid, []string{"second tensor in one attribute"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse("bad.onnx", bytes.NewReader(c.data), int64(len(c.data)))
			if err == nil {
				t.Fatalf("accepted, with %d tensors", len(m.Tensors()))
			}
			if !errors.Is(err, c.is) {
				t.Errorf("%v\nis not %q", err, c.is)
			}
			var e *Error
			if !errors.As(err, &e) || e.File != "bad.onnx" {
				t.Errorf("%v\nis not an *Error about bad.onnx", err)
			}
			for _, want := range append(c.want, "onnxio: bad.onnx: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

// TestEveryCutIsRefused cuts a model after each byte: no part of it is a model.
func TestEveryCutIsRefused(t *testing.T) {
	data := modelBytes(in("x", 1, 4), call("MatMul", "x w", "y"), weight("w", 0, 4, 2), constant("c", 0, 2), call("Add", "y c", "z"), out("z", 1, 2))
	for n := range data {
		if _, err := Parse("cut.onnx", bytes.NewReader(data[:n]), int64(n)); err == nil {
			t.Errorf("the first %d of %d bytes are accepted as a model", n, len(data))
		} else if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrNotONNX) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

// TestEveryByteChanged sets each byte of models that have one of everything to
// a few values: whatever they make of it is read or refused, and what is read is
// written back as it was, and with other values.
func TestEveryByteChanged(t *testing.T) {
	for name, data := range seeds() {
		t.Run(name, func(t *testing.T) {
			read := 0
			for i := range data {
				for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff, data[i] ^ 1, data[i] ^ 8, data[i] ^ 2} {
					changed := bytes.Clone(data)
					changed[i] = v
					read += checkRoundTrip(t, changed)
					checkIndex(t, changed)
				}
			}
			if read == 0 {
				t.Error("no changed model was read at all")
			}
		})
	}
}

// TestEveryByteLeftOut does the same with a byte less or a byte more.
func TestEveryByteLeftOut(t *testing.T) {
	for name, data := range seeds() {
		t.Run(name, func(t *testing.T) {
			for i := range data {
				checkRoundTrip(t, append(bytes.Clone(data[:i]), data[i+1:]...))
				checkRoundTrip(t, append(append(bytes.Clone(data[:i]), 0), data[i:]...))
			}
		})
	}
}

// checkRoundTrip returns 1 when data is read as a model, and 0 when it is
// refused; a model that is read must be usable without a panic and must be
// written as it was.
func checkRoundTrip(t testing.TB, data []byte) int {
	t.Helper()
	m, err := Parse("fuzz.onnx", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Error() == "" {
			t.Fatalf("refused with %v, which is not an *Error", err)
		}
		return 0
	}
	checkModel(t, m, data)
	return 1
}

// checkModel uses an accepted model in every way; data is its file.
func checkModel(t testing.TB, m *Model, data []byte) {
	t.Helper()
	if m.Signature() == "" || m.Difference(m) != "" {
		t.Fatalf("signature %q, difference from itself %q", m.Signature(), m.Difference(m))
	}
	for _, x := range m.Tensors() {
		if _, err := m.Dense(x); err != nil && !errors.Is(err, ErrUnsupported) {
			t.Fatalf("dense: %v", err)
		}
	}
	// The model itself is copied as it is, other values of the same bits are written anew.
	for _, v := range []Values{m, same{m}} {
		var written bytes.Buffer
		err := WriteTo(&written, m, v, nil)
		if err != nil {
			if _, copied := v.(*Model); copied || !errors.Is(err, ErrNotFinite) {
				t.Fatalf("cannot be written: %v", err)
			}
			continue
		}
		if len(m.SideFiles()) == 0 && !bytes.Equal(written.Bytes(), data) {
			t.Fatalf("written back, the model has other bytes (as it is: %v)", v == Values(m))
		}
		n, err := Parse("written.onnx", bytes.NewReader(written.Bytes()), int64(written.Len()))
		if err != nil || n.Difference(m) != "" {
			t.Fatalf("written back, the model is another: %v %s", err, n.Difference(m))
		}
	}
	checkChanged(t, m)
	checkMoved(t, m)
	if len(m.Operators()) != m.Info().Nodes || len(m.Nodes()) > m.Info().Nodes {
		t.Fatalf("%d nodes, %d in order, of %d", len(m.Operators()), len(m.Nodes()), m.Info().Nodes)
	}
	for _, p := range m.Problems() {
		if p.What == "" {
			t.Fatalf("problem %+v", p)
		}
	}
	if d := m.Differences(m, 9); len(d) > 0 {
		t.Fatalf("differences from itself: %v", d)
	}
	inputs, names, err := m.WithWeightsAsInputs()
	if err != nil && !errors.Is(err, ErrUnsupported) {
		t.Fatalf("weights as inputs: %v", err)
	} else if err == nil {
		n, err := Parse("inputs.onnx", bytes.NewReader(inputs), int64(len(inputs)))
		if err != nil || len(names) != len(m.Weights()) || len(n.Weights()) != 0 {
			t.Fatalf("weights as inputs: %d names for %d weights: %v", len(names), len(m.Weights()), err)
		}
	}
}

// checkChanged writes values that every type can hold, and reads them again.
func checkChanged(t testing.TB, m *Model) {
	t.Helper()
	var written bytes.Buffer
	if err := WriteTo(&written, m, pattern{}, nil); err != nil {
		t.Fatalf("other values cannot be written: %v", err)
	}
	n, err := Parse("changed.onnx", bytes.NewReader(written.Bytes()), int64(written.Len()))
	if err != nil || n.Difference(m) != "" {
		t.Fatalf("with other values, the model is another: %v %s", err, n.Difference(m))
	}
	for i, w := range n.Weights() {
		got, want := make([]float32, w.Elements), make([]float32, w.Elements)
		if err := errors.Join(n.ReadValues(i, got, 0), pattern{}.ReadValues(i, want, 0)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("weight %d is %v, want %v: %v", i, got, want, err)
		}
	}
}

// checkMoved plans the model with its initializers in a side file, which must
// have every value.
func checkMoved(t testing.TB, m *Model) {
	t.Helper()
	p, err := m.plan(m, WriteOptions{External: true, ExternalFrom: 1}, "side.bin")
	if err != nil {
		t.Fatalf("cannot be moved out: %v", err)
	}
	var written, side bytes.Buffer
	if err := m.stream(&written, p.pieces); err != nil {
		t.Fatalf("moved out: %v", err)
	}
	if p.side == nil {
		return
	}
	if err := p.side.stream(&side); err != nil || int64(side.Len()) != p.side.size {
		t.Fatalf("side file of %d bytes, planned %d: %v", side.Len(), p.side.size, err)
	}
	for _, x := range p.side.items {
		var want bytes.Buffer
		at := p.side.at[x]
		if err := m.WriteTensor(&want, x); err != nil || !bytes.Equal(side.Bytes()[at:at+x.size()], want.Bytes()) {
			t.Fatalf("moved out, %q has other values: %v", x.Name, err)
		}
	}
}

// pattern gives values that all four types hold exactly.
type pattern struct{}

func (pattern) ReadValues(i int, dst []float32, off int) error {
	for k := range dst {
		dst[k] = float32((off+k)%13-6) * float32(i%3+1) / 4
	}
	return nil
}

// same gives a model's own values and is not the model.
type same struct{ *Model }

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none.onnx")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none.onnx") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrNotONNX) || !strings.Contains(err.Error(), "expected a regular file, found a folder") {
		t.Errorf("a folder: %v", err)
	}
	secret := filepath.Join(dir, "secret.onnx")
	if err := os.WriteFile(secret, modelBytes(in("x")), 0o000); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if _, err := Open(secret); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a file without permission: %v", err)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		e    Error
		want string
	}{
		{Error{File: "a.onnx", Offset: -1, What: "bad"}, "onnxio: a.onnx: bad"},
		{Error{File: "a.onnx", Tensor: "w", Offset: 7, What: "bad"}, `onnxio: a.onnx: tensor "w": bad at byte 7`},
		{Error{File: "a.onnx", Where: "initializer 3", Tensor: "w", Offset: -1, What: "bad", Expected: "1", Found: "2"}, `onnxio: a.onnx: initializer 3 "w": bad: expected 1, found 2`},
		{Error{File: "a.onnx", Where: "the graph", Offset: -1, What: "bad", Expected: "1"}, "onnxio: a.onnx: the graph: bad: expected 1"},
		{Error{File: "a.onnx", Offset: 0, What: "bad", Found: "2"}, "onnxio: a.onnx: bad at byte 0: found 2"},
	} {
		if got := c.e.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	wrapped := fmt.Errorf("more: %w", &Error{Err: ErrInvalid})
	if !errors.Is(wrapped, ErrInvalid) || errors.Is(wrapped, ErrTruncated) {
		t.Error("an *Error does not unwrap to its cause")
	}
}
