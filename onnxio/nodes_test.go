package onnxio

import (
	"slices"
	"testing"
)

func TestNodes(t *testing.T) {
	many := make([][]byte, 17)
	for i := range many {
		many[i] = num(attrInts, int64(i))
	}
	inner := attr("body", kindGraph, sub(attrGraph, call("Relu", "a", "r"), sub(graphOutput, portOf("r", 2))))
	m := open(t, modelBytes(
		// In the file the users of a value come before its maker.
		call("Add", "h w", "y"),
		call("Other", "x - c", "h -",
			attr("one", kindInt, num(attrInt, -3)), attr("list", kindInts, num(attrInts, 4), num(attrInts, -5)), attr("none", kindInts),
			attr("many", kindInts, many...), attr("text", kindString, str(attrString, "a \"b\"")),
			attr("tensor", kindTensor, sub(attrTensor, tensorOf("", Int64, []int64{1}, appendBytes(nil, tensorRawData, int64Bytes(7)))))),
		call("Holder", "x", "z", inner),
		constant("c", 1, 2), weight("w", 1, 2), weight("a", 1, 2), in("x", 2), out("y", 2), out("z", 2)))
	nodes := m.Nodes()
	var ops []string
	for _, n := range nodes {
		ops = append(ops, n.Op)
	}
	if !slices.Equal(ops, []string{"Other", "Add", "Holder"}) {
		t.Fatalf("nodes %v, expected each behind those that make its inputs, and no Constant", ops)
	}
	n := nodes[0]
	if !slices.Equal(n.Inputs, []string{"x", "", "c"}) || !slices.Equal(n.Outputs, []string{"h", ""}) || n.Inner || n.Title != "node 1 (Other)" {
		t.Errorf("node %+v", n)
	}
	if holder := nodes[2]; !holder.Inner || !slices.Equal(holder.Taken, []string{"a"}) {
		t.Errorf("a node with a body: %+v", holder)
	}
	if m.Stored("c") == nil || m.Stored("w") == nil || m.Stored("x") != nil || m.Stored("h") != nil {
		t.Error("Stored does not give the stored tensors alone")
	}
	for _, c := range []struct {
		name  string
		value int64
		ok    bool
	}{{"one", -3, true}, {"absent", 9, true}, {"list", 0, false}, {"text", 0, false}, {"tensor", 0, false}} {
		if v, ok := n.Int(c.name, 9); v != c.value || ok != c.ok {
			t.Errorf("Int(%s) is %d, %v", c.name, v, ok)
		}
	}
	for _, c := range []struct {
		name  string
		value []int64
		ok    bool
	}{{"list", []int64{4, -5}, true}, {"none", []int64{}, true}, {"absent", nil, true}, {"many", nil, false}, {"one", nil, false}, {"tensor", nil, false}} {
		if v, ok := n.Ints(c.name); !slices.Equal(v, c.value) || (v == nil) != (c.value == nil) || ok != c.ok {
			t.Errorf("Ints(%s) is %v, %v", c.name, v, ok)
		}
	}
	if v, ok := n.Text("text", ""); v != `a "b"` || !ok {
		t.Errorf("Text is %q, %v", v, ok)
	}
	if v, ok := n.Text("absent", "otherwise"); v != "otherwise" || !ok {
		t.Errorf("Text of none is %q, %v", v, ok)
	}
	if _, ok := n.Text("one", ""); ok {
		t.Error("Text takes a number")
	}
	if x := n.Tensor("tensor"); x == nil || x.Elements != 1 || n.Tensor("one") != nil || !n.Has("one") || n.Has("absent") {
		t.Error("Tensor or Has is wrong")
	}
}
