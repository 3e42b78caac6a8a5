package onnxio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// repeated is a reader of head, then unit count times, then tail, without
// having it in memory.
type repeated struct {
	head, unit, tail []byte
	count            int64
}

func (r *repeated) size() int64 {
	return int64(len(r.head)) + r.count*int64(len(r.unit)) + int64(len(r.tail))
}

func (r *repeated) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		pos := off + int64(i)
		middle := pos - int64(len(r.head))
		switch {
		case pos >= r.size():
			return i, io.EOF
		case middle < 0:
			p[i] = r.head[pos]
		case middle < r.count*int64(len(r.unit)):
			p[i] = r.unit[middle%int64(len(r.unit))]
		default:
			p[i] = r.tail[middle-r.count*int64(len(r.unit))]
		}
	}
	return len(p), nil
}

// bomb is a model whose graph has count times the field unit, after first.
func bomb(first, unit []byte, count int64) *repeated {
	body := int64(len(first)) + count*int64(len(unit))
	head := join(num(modelIRVersion, 8), opset("", 17), binary.AppendUvarint(binary.AppendUvarint(nil, modelGraph<<3|wireBytes), uint64(body)), first)
	return &repeated{head: head, unit: unit, count: count}
}

// TestBombs has files that are small or could be, and would take any amount of
// memory: they end in an error that names the limit, and the memory is bounded.
func TestBombs(t *testing.T) {
	tiny := sub(graphInitializer, num(tensorDType, 1), num(tensorDims, 0))
	wide := func(number uint64, unit []byte, count int64) *repeated { // units inside one field of the graph
		r := bomb(nil, unit, count)
		inner := count * int64(len(unit))
		field := binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|wireBytes), uint64(inner))
		r.head = join(num(modelIRVersion, 8), opset("", 17), binary.AppendUvarint(binary.AppendUvarint(nil, modelGraph<<3|wireBytes), uint64(inner)+uint64(len(field))), field)
		return r
	}
	const billion = 1 << 30
	for _, c := range []struct {
		name string
		file *repeated
		want string
	}{
		{"a billion tiny tensors", bomb(nil, tiny, billion), "too much memory"},
		{"a billion nodes", bomb(nil, sub(graphNode, str(nodeOpType, "A")), billion), "too much memory"},
		{"a billion empty nodes", bomb(nil, sub(graphNode), billion), "no operator"},
		{"a billion inputs", bomb(nil, sub(graphInput), billion), "too much memory"},
		{"a billion value_infos", bomb(nil, sub(graphValueInfo), billion), "too much memory"},
		{"a node of a billion inputs", wide(graphNode, str(nodeInput, ""), billion), "too much memory"},
		{"a node of a billion attributes", wide(graphNode, sub(nodeAttribute), billion), "too much memory"},
		{"subgraphs of nodes with long names", bomb(nil, sub(graphNode, str(nodeName, strings.Repeat("n", 1<<20)), str(nodeOpType, "A"), bytes.Repeat(sub(nodeAttribute, sub(attrGraph)), 100)), billion), "too much memory"},
		{"a tensor of a billion dimensions", wide(graphInitializer, num(tensorDims, 1), billion), "too many dimensions at byte 148: expected at most 64 (Rank)"},
		{"a tensor of a billion entries", wide(graphInitializer, sub(tensorExternalData), billion), "too much memory"},
		{"a tensor of a billion floats in parts", wide(graphInitializer, join(str(99, "a field between two values"), fix32(tensorFloatData, 1)), billion), "too much memory"},
		{"a type of a billion dimensions", wide(graphInput, sub(portType, sub(typeTensor, sub(tensorTypeShape, bytes.Repeat(sub(shapeDim), 100)))), billion), "too much memory"},
		{"a billion metadata entries", &repeated{head: num(modelIRVersion, 8), unit: sub(modelMetadata), count: billion}, "too much memory"},
		{"a billion functions", &repeated{head: num(modelIRVersion, 8), unit: sub(modelFunctions), count: billion}, "too much memory"},
		{"a billion operator sets", &repeated{head: num(modelIRVersion, 8), unit: sub(modelOpsetImport), count: billion}, "too much memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const budget = 16 << 20
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			m, err := parse("bomb.onnx", c.file, c.file.size(), Limits{IndexBytes: budget}, nil)
			runtime.ReadMemStats(&after)
			if err == nil || m != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if strings.Contains(c.want, "memory") && (!errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "expected at most 16777216 bytes (IndexBytes), found more")) {
				t.Errorf("error %v does not name the limit", err)
			}
			// What is allocated in all, so also a bound on what is held at a time.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 4*budget {
				t.Errorf("%d bytes allocated under a limit of %d", grown, budget)
			}
		})
	}
}

// TestLimits raises and lowers each limit.
func TestLimits(t *testing.T) {
	long := strings.Repeat("n", 100)
	for _, c := range []struct {
		name       string
		model      []byte
		low, high  Limits
		limit, say string
	}{
		{"Depth", deep(8), Limits{Depth: 4}, Limits{Depth: 8}, "(Depth)", "graphs nested too deep"},
		{"Depth of types", nestedType(8), Limits{Depth: 4}, Limits{Depth: 9}, "(Depth)", "types nested too deep"},
		{"NameBytes", modelBytes(in("x"), in(long), call("Add", "x "+long, "y"), out("y")), Limits{NameBytes: 99}, Limits{NameBytes: 100}, "(NameBytes)", "too long"},
		{"Rank", modelBytes(in("x"), weight("w", 0, 1, 1, 1, 1, 2), call("Add", "x w", "y"), out("y")), Limits{Rank: 4}, Limits{Rank: 5}, "(Rank)", "too many dimensions"},
		{"IndexBytes", modelBytes(in("x"), call("Relu", "x", "y"), out("y")), Limits{IndexBytes: 1000}, Limits{IndexBytes: 4000}, "(IndexBytes)", "too much memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse("limit.onnx", bytes.NewReader(c.model), int64(len(c.model)), c.low, nil)
			if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), c.limit) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("lowered: %v", err)
			}
			if _, err := parse("limit.onnx", bytes.NewReader(c.model), int64(len(c.model)), c.high, nil); err != nil {
				t.Errorf("raised: %v", err)
			}
			if _, err := parse("limit.onnx", bytes.NewReader(c.model), int64(len(c.model)), Limits{}, nil); err != nil {
				t.Errorf("usual: %v", err)
			}
		})
	}
}

// deep is a right model in which depth If nodes lie inside one another.
func deep(depth int) []byte {
	g := call("Relu", "c", "y0")
	for i := 1; i <= depth; i++ {
		g = call("If", "c", fmt.Sprintf("y%d", i), branch("then_branch", g, out(fmt.Sprintf("y%d", i-1))))
	}
	return modelBytes(in("c"), g, out(fmt.Sprintf("y%d", depth)))
}

// TestFunctionBombs has local functions whose uses multiply, and that call
// themselves.
func TestFunctionBombs(t *testing.T) {
	var fns []byte
	const n = 40 // 2^40 paths
	for i := range n {
		name := func(k int) string { return "F" + string(rune('A'+k%26)) + string(rune('A'+k/26)) }
		inner := [][]byte{call("Relu", "a", "s"), call("Relu", "a", "t")}
		if i+1 < n {
			inner = [][]byte{calls(name(i+1), "a", "s"), calls(name(i+1), "a", "t")}
		}
		fns = append(fns, functionOf(name(i), "a", "r", append(inner, call("Add", "s t", "r"))...)...)
	}
	m := open(t, join(modelBytes(in("x"), weight("w", 0, 2), calls("FAA", "w", "y"), out("y")), fns))
	if m.followed > 10*n*n {
		t.Errorf("%d uses followed", m.followed)
	}
	for _, c := range []struct {
		name, want string
		fns        []byte
	}{
		{"itself", `local function "A": it calls itself`, functionOf("A", "a", "r", calls("A", "a", "r"))},
		{"one another", "it calls itself", join(functionOf("A", "a", "r", calls("B", "a", "r")), functionOf("B", "a", "r", calls("A", "a", "r")))},
		{"two of one name", "two local functions have one name", join(functionOf("A", "a", "r", call("Relu", "a", "r")), functionOf("A", "a", "r", call("Relu", "a", "r")))},
	} {
		data := join(modelBytes(in("x"), calls("A", "x", "y"), out("y")), c.fns)
		if _, err := Parse("bad.onnx", bytes.NewReader(data), int64(len(data))); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestWideModels has nodes, functions and graphs with so many ends that anything
// done for each pair of them would not end.
func TestWideModels(t *testing.T) {
	const n = 50000
	names := func(prefix string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s%d ", prefix, i)
		}
		return b.String()
	}
	var weights, inputs []byte
	for i := range n {
		weights = append(weights, sub(graphInitializer, num(tensorDims, 2), num(tensorDType, 1), str(tensorName, fmt.Sprintf("w%d", i)), appendBytes(nil, tensorRawData, make([]byte, 8)))...)
		inputs = append(inputs, in(fmt.Sprintf("x%d", i))...)
	}
	for _, c := range []struct {
		name    string
		model   []byte
		weights int
	}{
		{"a Concat of stored values, split again", modelBytes(in("x"), weights, call("Concat", names("w"), "c"), call("Split", "c", names("s")), call("Add", "x s7", "y"), out("y")), -1},
		{"an operator of stored values", modelBytes(in("x"), weights, call("Concat", names("w")+" x", "c"), call("Sum", strings.Repeat("c ", n), "y"), out("y")), n},
		{"many inputs", modelBytes(inputs, call("Sum", names("x"), "y"), out("y")), 0},
		{"a function of many values", join(modelBytes(in("x"), weights, calls("F", names("w"), names("o")), call("Sum", names("o")+" x", "y"), out("y")),
			sub(modelFunctions, str(functionName, "F"), str(functionDomain, "d"), manyStrings(functionInput, names("a")), manyStrings(functionOutput, names("a")))), n},
		{"many operator sets and functions", join(modelBytes(in("x"), call("Relu", "x", "y"), out("y")), bytes.Repeat(opset("d", 1), n), functionOf("F", "a", "a")), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, c.model)
			if len(m.Signature()) != 64 || c.weights >= 0 && len(m.Weights()) != c.weights {
				t.Errorf("%d weights, signature %q", len(m.Weights()), m.Signature())
			}
			if m.followed > maxFollowed+3*n {
				t.Errorf("%d uses followed", m.followed)
			}
		})
	}
}

func manyStrings(number uint64, names string) []byte {
	var b []byte
	for _, s := range strings.Fields(names) {
		b = append(b, str(number, s)...)
	}
	return b
}
