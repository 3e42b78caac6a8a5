package onnxio

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exporters has two trained networks as five versions of PyTorch export them.
const exporters = "testdata/exporters"

// sameGraph are the exports that must have one signature each; exports of
// different rows must not.
var sameGraph = [][]string{
	{"torch1.8-script-13", "torch1.12-script-13", "torch2.0-script-13", "torch2.6-script-13", "torch2.15-script-13"},
	{"torch1.8-script-13-training", "torch1.12-script-13-training", "torch2.0-script-13-training", "torch2.6-script-13-training", "torch2.15-script-13-training"},
	{"torch2.0-script-18", "torch2.6-script-18", "torch2.15-script-18", "torch2.15-dynamo-18"},
	{"torch2.0-script-18-training", "torch2.6-script-18-training", "torch2.15-script-18-training"},
	{"torch2.6-dynamo-18"}, {"torch2.6-dynamo-18-plain"}, {"torch2.15-dynamo-20"},
	{"tokens-torch1.8-script-13", "tokens-torch1.12-script-13", "tokens-torch2.15-script-13"},
	{"tokens-torch2.0-script-18", "tokens-torch2.15-script-18", "tokens-torch2.6-dynamo-18", "tokens-torch2.15-dynamo-18"},
}

func openExport(t *testing.T, name string) *Model {
	t.Helper()
	m, err := Open(filepath.Join(exporters, name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestExportsAreWhole(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(exporters, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(list)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join(exporters, name))
		if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not the file that SHA256SUMS lists: %v", name, err)
		}
		if name, ok := strings.CutSuffix(name, ".onnx"); ok {
			listed = append(listed, name)
		}
	}
	tested := slices.Sorted(slices.Values(slices.Concat(sameGraph...)))
	if slices.Sort(listed); !slices.Equal(listed, tested) {
		t.Errorf("SHA256SUMS lists %s, the test has %s", listed, tested)
	}
}

// TestExportersGiveOneSignature: names of weights, inputs and nodes, attributes
// that say their default, whether a bias is added first or second, the producer
// and unused operator sets differ between versions and exporters; the graph does
// not.
func TestExportersGiveOneSignature(t *testing.T) {
	signatures := map[string]string{}
	for _, row := range sameGraph {
		first := openExport(t, row[0])
		if other, twice := signatures[first.Signature()]; twice {
			t.Errorf("%s has the signature of %s", row[0], other)
		}
		signatures[first.Signature()] = row[0]
		if n := len(first.Weights()); n < 10 {
			t.Errorf("%s has %d weights", row[0], n)
		}
		for _, name := range row[1:] {
			t.Run(name, func(t *testing.T) {
				m := openExport(t, name)
				if d := first.Difference(m); d != "" || m.Signature() != first.Signature() {
					t.Fatalf("%s and %s differ: %s", row[0], name, d)
				}
				equalWeights(t, first, m)
			})
		}
	}
}

// equalWeights holds the weights of b, by order, against those of a. They are
// equal to the last bit, those of a convolution with BatchNorm folded in too.
func equalWeights(t *testing.T, a, b *Model) {
	t.Helper()
	if len(a.Weights()) != len(b.Weights()) {
		t.Fatalf("%d weights, expected %d", len(b.Weights()), len(a.Weights()))
	}
	for i, w := range a.Weights() {
		v := b.Weights()[i]
		if v.Role != w.Role || !slices.Equal(v.Shape, w.Shape) {
			t.Fatalf("weight %d is %s %d, expected %s %d", i, v.Role, v.Shape, w.Role, w.Shape)
		}
		var x, y bytes.Buffer
		if err := errors.Join(a.WriteTensor(&x, w), b.WriteTensor(&y, v)); err != nil {
			t.Fatal(err)
		}
		if x.Len() != 4*w.Elements || !bytes.Equal(x.Bytes(), y.Bytes()) {
			t.Errorf("weight %d, %s, has not the values of %s", i, v.Name, w.Name)
		}
	}
}

// TestExportersDiffer has exports that are not the same graph, and what is said.
func TestExportersDiffer(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       []string // the first sentence, then parts of others
	}{
		{"BatchNorm folded or not", "torch2.15-script-13-training", "torch2.15-script-13", []string{
			"node 2: Conv has inputs 2, the other 3",
			"between the first 3 and the last 7 nodes, which are the same operators, it has BatchNormalization, Relu, Conv, BatchNormalization, the other Relu, Conv",
			"BatchNormalization 2 and 0",
		}},
		{"operator set", "torch1.8-script-13", "torch2.15-script-18", []string{"the model uses operator sets ai.onnx 13, the other ai.onnx 18"}},
		{"exporter and operator set", "torch2.0-script-18", "torch2.15-dynamo-20", []string{"the model uses operator sets ai.onnx 18, the other ai.onnx 20"}},
		{"a bias of zeros", "torch2.15-script-18-training", "torch2.6-dynamo-18", []string{"node 2: Conv has inputs 2, the other 3"}},
		{"a bias that is computed, and a local function", "torch2.15-script-18-training", "torch2.6-dynamo-18-plain", []string{
			"node 2 is Conv, the other CastLike", "Expand 0 and 4", "a call of local function 0 0 and 2",
		}},
		{"LayerNorm in one operator or many", "tokens-torch2.15-script-13", "tokens-torch2.15-script-18", []string{
			"the model uses operator sets ai.onnx 13, the other ai.onnx 18",
			"it has ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul and 1 more, the other LayerNormalization",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := openExport(t, c.a), openExport(t, c.b)
			got := a.Differences(b, 10)
			if len(got) == 0 || a.Signature() == b.Signature() {
				t.Fatalf("they have one signature; differences %q", got)
			}
			if !strings.Contains(got[0], c.want[0]) {
				t.Errorf("first %q, expected %q", got[0], c.want[0])
			}
			for _, part := range c.want[1:] {
				if !slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, part) }) {
					t.Errorf("nothing says %q:\n%s", part, strings.Join(got, "\n"))
				}
			}
		})
	}
}

// TestImpliedAttributes has a node with an attribute and without it.
func TestImpliedAttributes(t *testing.T) {
	list := func(name string, values ...int64) []byte {
		var body []byte
		for _, v := range values {
			body = append(body, num(attrInts, v)...)
		}
		return attr(name, kindInts, body)
	}
	integer := func(name string, v int64) []byte { return attr(name, kindInt, num(attrInt, v)) }
	kernel := weight("w", 0, 2, 1, 3, 3)
	for _, c := range []struct {
		name, op, inputs string
		attribute        []byte
		more             [][]byte // other parts of the graph
		implied          bool
	}{
		{"a default", "Gemm", "x w", integer("transA", 0), [][]byte{weight("w", 0, 4, 4)}, true},
		{"not the default", "Gemm", "x w", integer("transA", 1), [][]byte{weight("w", 0, 4, 4)}, false},
		{"a default that is another in other versions", "Softmax", "x", integer("axis", -1), nil, false},
		{"the kernel's shape", "Conv", "x w", list("kernel_shape", 3, 3), [][]byte{kernel}, true},
		{"another shape", "Conv", "x w", list("kernel_shape", 3, 1), [][]byte{kernel}, false},
		{"a kernel that is computed", "Conv", "x v", list("kernel_shape", 3, 3), [][]byte{kernel, call("Neg", "w", "v")}, false},
		{"a kernel that is an input", "Conv", "x w", list("kernel_shape", 3, 3), [][]byte{in("w", 2, 1, 3, 3)}, false},
		{"a pool's own shape", "MaxPool", "x", list("kernel_shape", 3, 3), nil, false},
		{"dilations of one", "MaxPool", "x", list("dilations", 1, 1), nil, true},
		{"dilations", "MaxPool", "x", list("dilations", 1, 2), nil, false},
		{"strides of one", "Conv", "x w", list("strides", 1, 1), [][]byte{kernel}, true},
		{"pads of zero", "AveragePool", "x", list("pads", 0, 0, 0, 0), nil, true},
		{"pads", "AveragePool", "x", list("pads", 0, 0, 0, 1), nil, false},
		{"pads of Pad", "Pad", "x", list("pads", 0, 0, 0, 0), nil, false},
		{"no pads", "AveragePool", "x", list("pads"), nil, false},
		{"zeros allowed where none are", "Reshape", "x s", integer("allowzero", 1), [][]byte{ints("s", 10, -1)}, true},
		{"zeros allowed", "Reshape", "x s", integer("allowzero", 1), [][]byte{ints("s", 0, -1)}, false},
		{"zeros allowed in a shape that is computed", "Reshape", "x r", integer("allowzero", 1), [][]byte{ints("s", 10, -1), call("Neg", "s", "r")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			model := func(attrs ...[]byte) *Model {
				return open(t, modelBytes(append([][]byte{in("x"), call(c.op, c.inputs, "y", attrs...), out("y")}, c.more...)...))
			}
			with, without := model(c.attribute), model()
			if d := with.Difference(without); (d == "") != c.implied || (with.Signature() == without.Signature()) != c.implied {
				t.Errorf("difference %q, implied %v", d, c.implied)
			}
		})
	}
}

// TestOperands exchanges the inputs of a node.
func TestOperands(t *testing.T) {
	for _, c := range []struct {
		name, op, a, b string
		more           []byte // an attribute
		same           bool
	}{
		{"a bias before or after", "Add", "x w", "w x", nil, true},
		{"a scale before or after", "Mul", "x w", "w x", nil, true},
		{"a scalar before or after", "Mul", "x s", "s x", nil, true},
		{"one that is subtracted", "Sub", "x w", "w x", nil, false},
		{"a matrix", "MatMul", "x w", "w x", nil, false},
		{"two values", "Add", "x z", "z x", nil, false},
		{"two tensors", "Add", "w s", "s w", nil, false},
		{"an old operator set", "Add", "x w", "w x", attr("axis", kindInt, num(attrInt, 1)), false},
		{"another domain", "Add", "x w", "w x", str(nodeDomain, "d"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			model := func(inputs string) *Model {
				return open(t, modelBytes(in("x"), in("z"), weight("w", 0, 2), weight("s", 3), call(c.op, inputs, "y", c.more), out("y")))
			}
			a, b := model(c.a), model(c.b)
			if d := a.Difference(b); (d == "") != c.same || (a.Signature() == b.Signature()) != c.same {
				t.Errorf("difference %q, expected the same graph: %v", d, c.same)
			}
		})
	}
}

// TestAttributeDefaults holds the table against the onnx package: all defaults
// that are the same in every version of their operator, and no others.
func TestAttributeDefaults(t *testing.T) {
	python := os.Getenv("RPG_TEST_PYTHON")
	if python == "" {
		t.Skip("RPG_TEST_PYTHON is not set (make test sets it): the onnx package was not asked for its defaults")
	}
	const program = `
import collections, json
import onnx
found = collections.defaultdict(lambda: collections.defaultdict(list))
for schema in onnx.defs.get_all_schemas_with_history():
    for name, a in schema.attributes.items() if schema.domain == "" else ():
        a = a.default_value
        value = onnx.helper.get_attribute_value(a) if a.name else None
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            value = [v.decode() for v in value]
        found[schema.name][name].append([a.type, value])
print(json.dumps(found))`
	out, err := exec.Command(python, "-c", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]map[string][][2]any
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	constant := map[string]map[string]string{}
	for op, attrs := range found {
		for name, versions := range attrs {
			first := fmt.Sprint(versions[0])
			if versions[0][1] == nil || slices.ContainsFunc(versions, func(v [2]any) bool { return fmt.Sprint(v) != first }) {
				continue
			}
			if constant[op] == nil {
				constant[op] = map[string]string{}
			}
			constant[op][name] = defaultText(versions[0][1])
		}
	}
	for op := range maps.Keys(constant) {
		if !maps.Equal(constant[op], attributeDefaults[op]) {
			t.Errorf("%s: %q, the onnx package has %q", op, attributeDefaults[op], constant[op])
		}
	}
	if len(attributeDefaults) != len(constant) || len(constant) < 100 {
		t.Errorf("%d operators, the onnx package has %d", len(attributeDefaults), len(constant))
	}
}

// defaultText is a JSON value as attribute.value has it.
func defaultText(v any) string {
	switch v := v.(type) {
	case float64:
		return floatText(uint64(math.Float32bits(float32(v))))
	case string:
		return fmt.Sprintf("%q", v)
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, defaultText(x))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprint(v)
}
