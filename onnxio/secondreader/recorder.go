package secondreader

import (
	"math"

	onnx "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"
)

// recorder is an onnx-go backend that computes nothing and remembers what the
// decoder tells it: the operators, in order, and the tensors, by name.
type recorder struct {
	*simple.WeightedDirectedGraph
	operators []string
	tensors   map[string]tensor.Tensor
}

func newRecorder() *recorder {
	return &recorder{
		WeightedDirectedGraph: simple.NewWeightedDirectedGraph(0, math.Inf(1)),
		tensors:               map[string]tensor.Tensor{},
	}
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

// SetWeightedEdge ignores an edge from a value to itself, on which the graph
// would panic; nothing here depends on edges.
func (r *recorder) SetWeightedEdge(e graph.WeightedEdge) {
	if e.From().ID() != e.To().ID() {
		r.WeightedDirectedGraph.SetWeightedEdge(e)
	}
}

// ApplyOperation notes an operator, and the tensor of a Constant under the
// name of its output.
func (r *recorder) ApplyOperation(o onnx.Operation, outputs ...graph.Node) error {
	r.operators = append(r.operators, o.Name)
	if t, ok := o.Attributes["value"].(tensor.Tensor); ok && o.Name == "Constant" && len(outputs) == 1 {
		if v, ok := outputs[0].(*value); ok {
			v.data = t
		}
	}
	return nil
}

// collect takes the tensors out of the graph's values.
func (r *recorder) collect() {
	for all := r.Nodes(); all.Next(); {
		if v, ok := all.Node().(*value); ok && v.data != nil && v.data.Size() > 0 {
			r.tensors[v.name] = v.data
		}
	}
}
