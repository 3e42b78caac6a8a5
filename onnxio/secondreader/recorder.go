package secondreader

import (
	"math"

	onnx "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"

	"rpg/onnxio"
)

// recorder is an onnx-go backend that computes nothing and remembers what the
// decoder tells it: the operators, in order, with the names of their inputs and
// outputs, and the tensors in its nodes.
type recorder struct {
	*simple.WeightedDirectedGraph
	operators []onnxio.Operator
	edges     []graph.WeightedEdge // since the last operator
}

func newRecorder() *recorder {
	return &recorder{WeightedDirectedGraph: simple.NewWeightedDirectedGraph(0, math.Inf(1))}
}

// value is a node of onnx-go's graph: one named value of the model.
type value struct {
	graph.Node
	name string
	data tensor.Tensor
}

func (v *value) SetName(name string)             { v.name = name }
func (v *value) GetName() string                 { return v.name }
func (v *value) SetTensor(t tensor.Tensor) error { v.data = t; return nil }
func (v *value) GetTensor() tensor.Tensor        { return v.data }

var (
	_ onnx.Backend     = (*recorder)(nil)
	_ onnx.Namer       = (*value)(nil)
	_ onnx.DataCarrier = (*value)(nil)
)

// NewNode makes a value without a name.
func (r *recorder) NewNode() graph.Node {
	return &value{Node: r.WeightedDirectedGraph.NewNode()}
}

// SetWeightedEdge notes an edge, from an output of the operator that is told
// next to one of its inputs. They come in the order of the outputs, and of the
// inputs for each.
func (r *recorder) SetWeightedEdge(e graph.WeightedEdge) { r.edges = append(r.edges, e) }

// ApplyOperation notes an operator.
func (r *recorder) ApplyOperation(o onnx.Operation, outputs ...graph.Node) error {
	n := onnxio.Operator{Op: o.Name}
	for _, v := range outputs {
		n.Outputs = append(n.Outputs, nameOf(v))
	}
	for _, e := range r.edges[:len(r.edges)/max(1, len(outputs))] {
		n.Inputs = append(n.Inputs, nameOf(e.To()))
	}
	r.edges = r.edges[:0]
	r.operators = append(r.operators, n)
	return nil
}

func nameOf(n graph.Node) string {
	if v, ok := n.(*value); ok {
		return v.name
	}
	return ""
}
