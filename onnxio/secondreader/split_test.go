package secondreader

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"rpg/onnxio"
)

// What the tests write beside what split reads.
const (
	nodeInput   = 1
	tensorFloat = 4
)

func text(number uint64, s string) []byte { return message(nil, number, []byte(s)) }

func varint(number, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|wireVarint), v)
}

func node(op, inputs, output string, more ...[]byte) []byte {
	var body []byte
	for _, s := range strings.Fields(inputs) {
		body = append(body, text(nodeInput, s)...)
	}
	body = append(append(body, text(nodeOutput, output)...), text(nodeOpType, op)...)
	return message(nil, graphNode, append(body, bytes.Join(more, nil)...))
}

// model takes x and gives y, of the operator set 17.
func model(graph ...[]byte) []byte {
	body := append(bytes.Join(graph, nil), message(nil, graphInput, text(portName, "x"))...)
	body = append(body, message(nil, graphOutput, text(portName, "y"))...)
	return append(message(varint(1, 8), modelGraph, body), message(nil, 8, varint(2, 17))...)
}

// floats is a tensor of n elements that count up, in raw_data or in float_data.
func floats(name string, field uint64, n int) []byte {
	var raw []byte
	for i := range n {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(i)))
	}
	body := append(varint(tensorDims, 1), varint(tensorDims, uint64(n))...)
	return message(append(append(body, varint(tensorType, 1)...), text(tensorName, name)...), field, raw)
}

func parse(t *testing.T, data []byte) *onnxio.Model {
	t.Helper()
	m, err := onnxio.Parse("test.onnx", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// constant is a Constant node that makes w.
func constant(tensor []byte) []byte {
	return node("Constant", "", "w", message(nil, nodeAttribute, append(append(text(attributeName, "value"), message(nil, attributeTensor, tensor)...), varint(20, 4)...)))
}

// TestLongTensors compares tensors of about one piece and of several, wherever
// they are; one value is changed in what the second reader gets.
func TestLongTensors(t *testing.T) {
	const piece = pieceBytes / 4
	for _, n := range []int{1, piece - 1, piece, piece + 1, 2*piece + 3} {
		for _, c := range []struct {
			name string
			data []byte
		}{
			{"raw_data", model(node("Add", "x w", "y"), message(nil, graphInitializer, floats("w", tensorRaw, n)))},
			{"float_data", model(node("Add", "x w", "y"), message(nil, graphInitializer, floats("w", tensorFloat, n)))},
			{"constant", model(constant(floats("", tensorRaw, n)), node("Add", "x w", "y"))},
		} {
			t.Run(fmt.Sprintf("%s/%d", c.name, n), func(t *testing.T) {
				m := parse(t, c.data)
				status, reason := Compare(t.Context(), m)
				if status != Agrees || !strings.HasPrefix(reason, "1 of 1 stored tensors") {
					t.Errorf("%s, %s", status, reason)
				}
				changed := bytes.Clone(c.data)
				last := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(n-1)))
				changed[bytes.LastIndex(changed, last)] ^= 1
				status, reason = compareWith(t.Context(), m, inMemory(changed))
				if want := fmt.Sprintf(`tensor "w": element %d is`, n-1); status != Differs || !strings.HasPrefix(reason, want) {
					t.Errorf("%s, %s; want %s", status, reason, want)
				}
			})
		}
	}
}

// TestOtherModels gives the second reader a model that differs in one respect.
func TestOtherModels(t *testing.T) {
	const long = pieceBytes/4 + 2
	small := model(node("Add", "x w", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, floats("w", tensorRaw, 3)))
	large := model(node("Add", "x w", "y"), message(nil, graphInitializer, floats("w", tensorRaw, long)))
	attribute := func(fields ...[]byte) []byte { return message(nil, nodeAttribute, bytes.Join(fields, nil)) }
	for _, c := range []struct {
		name         string
		ours, theirs []byte
		status, want string
	}{
		{"input", small, model(node("Add", "w x", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, floats("w", tensorRaw, 3))), Differs, `operator 0 (Add) takes ["w" "x"] for onnx-go and ["x" "w"] for onnxio`},
		{"output", small, model(node("Add", "x w", "g"), node("Relu", "h", "y"), message(nil, graphInitializer, floats("w", tensorRaw, 3))), Differs, `operator 0 (Add) makes ["g"] for onnx-go and ["h"] for onnxio`},
		{"an input less", small, model(node("Add", "x", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, floats("w", tensorRaw, 3))), Differs, `operator 0 (Add) takes ["x"]`},
		{"an operator more", small, model(node("Add", "x w", "h"), node("Relu", "h", "y"), node("Abs", "x", "z"), message(nil, graphInitializer, floats("w", tensorRaw, 3))), Differs, "onnx-go reads 3 operators, onnxio 2"},
		{"tensor missing", small, model(node("Add", "x w", "h"), node("Relu", "h", "y")), Differs, `tensor "w" is not there for onnx-go`},
		{"tensor more", small, model(node("Add", "x w", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, floats("v", tensorRaw, 3))), Differs, `tensor "v" is not there for onnxio`},
		{"shape", small, model(node("Add", "x w", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, floats("w", tensorRaw, 4))), Differs, `tensor "w": shape`},
		{"shape of a long tensor", large, model(node("Add", "x w", "y"), message(nil, graphInitializer, floats("w", tensorRaw, long+1))), Differs, `tensor "w": shape [1 262147] for the second reader and [1 262146] for onnxio`},
		{"type", small, model(node("Add", "x w", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, append(floats("w", tensorRaw, 3), varint(tensorType, 6)...))), Differs, `tensor "w": type int32 for onnx-go and float32 for onnxio`},
		{"empty tensor without data", small, model(node("Add", "x w", "h"), node("Relu", "h", "y"), message(nil, graphInitializer, append(append(varint(tensorType, 1), text(tensorName, "w")...), varint(tensorDims, 3)...))), NotCovered, "onnx-go decodes none of the 1 stored tensors: onnx-go: No data found"},
		{"branch", small, model(node("If", "x", "h", attribute(text(attributeName, "then_branch"), varint(20, 5), message(nil, attributeGraph, nil))), node("Relu", "h", "y")), NotCovered, "onnx-go: "},
		{"tensor of another operator", model(node("ConstantOfShape", "x", "y", attribute(text(attributeName, "value"), varint(20, 4), message(nil, attributeTensor, floats("", tensorRaw, 1))))),
			model(node("ConstantOfShape", "x", "y", attribute(text(attributeName, "value"), varint(20, 4), message(nil, attributeTensor, floats("", tensorRaw, 1))))), Agrees, "0 of 0 stored tensors and 1 operators"},
		{"large graph", small, model(node("Add", strings.Repeat("x", maxGraph), "y")), NotCovered, "the graph without its tensors has more than the 16777216 bytes"},
		{"cut", small, small[:len(small)-20], NotCovered, "the file cannot be taken apart: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, reason := compareWith(t.Context(), parse(t, c.ours), inMemory(c.theirs))
			if status != c.status || !strings.HasPrefix(reason, c.want) {
				t.Errorf("%s, %s\nwant %s, %s", status, reason, c.status, c.want)
			}
		})
	}
}

// TestEdges has operators without inputs, with inputs left out, and whose output
// is their own input's name elsewhere.
func TestEdges(t *testing.T) {
	hole := message(nil, graphNode, bytes.Join([][]byte{text(nodeInput, "h"), text(nodeInput, ""), text(nodeInput, "x"), text(nodeOutput, "y"), text(nodeOutput, ""), text(nodeOutput, "z"), text(nodeOpType, "Clip")}, nil))
	m := parse(t, model(node("RandomNormal", "", "r"), node("Add", "x r", "h"), hole))
	if status, reason := Compare(t.Context(), m); status != Agrees || reason != "0 of 0 stored tensors and 3 operators compared" {
		t.Errorf("%s, %s", status, reason)
	}
	if got := fmt.Sprint(m.Operators()); got != "[{RandomNormal [] [r]} {Add [x r] [h]} {Clip [h  x] [y  z]}]" {
		t.Errorf("operators %s", got)
	}
}

// TestEveryCut and every changed byte: split refuses or reads, and never panics.
func TestEveryCut(t *testing.T) {
	whole := model(constant(floats("", tensorRaw, 3)), node("Add", "x w", "h"), node("Add", "h v", "y"), message(nil, graphInitializer, floats("v", tensorFloat, 2)))
	m := parse(t, whole)
	for n := range whole {
		if status, reason := compareWith(t.Context(), m, inMemory(whole[:n])); status == Agrees {
			// What is cut off last is the operator set, which nobody compares.
			if n < len(whole)-4 {
				t.Errorf("the first %d bytes: %s, %s", n, status, reason)
			}
		}
		for _, v := range []byte{0, 0x7f, 0xff, whole[n] ^ 1, whole[n] ^ 8} {
			changed := bytes.Clone(whole)
			changed[n] = v
			if status, reason := compareWith(t.Context(), m, inMemory(changed)); reason == "" {
				t.Errorf("byte %d set to %d: %s without a reason", n, v, status)
			}
		}
	}
}

// TestVarintAtTheEndOfTheWindow reads numbers that lie across two windows.
func TestVarintAtTheEndOfTheWindow(t *testing.T) {
	data := bytes.Repeat(varint(1, 1<<40), 5000)
	f := inMemory(data)
	count := 0
	if err := f.each(0, f.size, func(x field) error { count++; return nil }); err != nil || count != 5000 {
		t.Errorf("%d fields: %v", count, err)
	}
	if _, _, err := f.varint(f.size); err != io.ErrUnexpectedEOF {
		t.Errorf("past the end: %v", err)
	}
}
