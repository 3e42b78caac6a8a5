package align

import (
	"strings"

	"rpg/onnxio"
)

// rule says how a node permutes: it unifies the axes that must be permuted alike
// for the node to give permuted outputs for permuted inputs, and sets the axes of
// the outputs. It returns false when it cannot say; the node is refused then.
type rule func(c *call) bool

// ruleOf is the rule of a node's operator, nil for one that is not followed.
func ruleOf(n *onnxio.Node, opset int64) rule {
	switch n.Domain {
	case "":
		if strings.HasPrefix(n.Op, "Reduce") {
			return (*call).reduce
		}
		return standard(n.Op, opset)
	case "com.microsoft":
		return microsoft(n.Op)
	}
	return nil
}

func standard(op string, opset int64) rule {
	switch op {
	case "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh",
		"Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log",
		"Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus",
		"Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "BitwiseNot":
		return (*call).elementwise
	case "Dropout":
		return (*call).dropout
	case "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul",
		"Or", "Pow", "PRelu", "Sub", "Sum", "Where", "Xor":
		if opset < 7 && opset > 0 {
			return (*call).oldBroadcast
		}
		return (*call).broadcast
	case "Conv":
		return (*call).conv
	case "ConvTranspose":
		return (*call).convTranspose
	case "Gemm":
		return (*call).gemm
	case "MatMul":
		return (*call).matMul
	case "Einsum":
		return (*call).einsum
	case "BatchNormalization":
		return (*call).batchNormalization
	case "InstanceNormalization":
		return (*call).instanceNormalization
	case "GroupNormalization":
		return (*call).groupNormalization
	case "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization":
		return (*call).layerNormalization
	case "Softmax", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization":
		return (*call).keep // over whichever axis: a permutation of it goes through
	case "MaxPool", "AveragePool", "LpPool":
		return (*call).pool
	case "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool":
		return (*call).globalPool
	case "LRN":
		return (*call).localResponse
	case "ArgMax", "ArgMin":
		return (*call).argMax
	case "Concat":
		return (*call).concat
	case "Split":
		return (*call).split
	case "Slice":
		return (*call).slice
	case "Gather":
		return (*call).gather
	case "Transpose":
		return (*call).transpose
	case "Flatten":
		return (*call).flatten
	case "Reshape":
		return (*call).reshape
	case "Squeeze":
		return (*call).squeeze
	case "Unsqueeze":
		return (*call).unsqueeze
	case "Expand":
		return (*call).expand
	case "Tile":
		return (*call).tile
	case "ConstantOfShape":
		return (*call).constantOfShape
	case "Trilu":
		return (*call).triangle
	case "Pad":
		return (*call).pad
	case "Resize", "Upsample":
		return (*call).resize
	case "DepthToSpace":
		return (*call).depthToSpace
	case "SpaceToDepth":
		return (*call).spaceToDepth
	case "Shape", "Size":
		return (*call).shape
	}
	return nil
}

func microsoft(op string) rule {
	switch op {
	case "Gelu", "QuickGelu":
		return (*call).elementwise
	case "BiasGelu", "FastGelu":
		return (*call).broadcast
	case "FusedConv":
		return (*call).conv
	case "FusedMatMul", "TransposeMatMul":
		return (*call).matMul
	case "LayerNormalization", "SimplifiedLayerNormalization":
		return (*call).layerNormalization
	case "SkipLayerNormalization", "SkipSimplifiedLayerNormalization":
		return (*call).skipLayerNormalization
	}
	return nil
}

// keep: the output has the axes of input 0, and there are no other inputs.
func (c *call) keep() bool {
	x, ok := c.ranked(0)
	if ok {
		c.set(0, x...)
	}
	return ok
}

// elementwise is keep for an operator whose other inputs are single numbers, or
// only give a type.
func (c *call) elementwise() bool { return c.keep() }

func (c *call) dropout() bool {
	x, ok := c.ranked(0)
	if ok {
		c.set(0, x...)
		c.set(1, x...)
	}
	return ok
}

// shape: sizes are the same however places are permuted; computeInts has them.
func (c *call) shape() bool {
	switch {
	case c.node.Op == "Size":
		c.set(0)
	case c.has(0) && c.values[c.node.Outputs[0]] == nil:
		c.set(0, c.unknown())
	}
	return true
}

// broadcast: inputs are lined up at their last axes; an axis of one place goes
// with any other.
func (c *call) broadcast() bool {
	var inputs [][]*axis
	for k, v := range c.in {
		if v == nil {
			continue
		}
		x, ok := c.ranked(k)
		if !ok {
			return false
		}
		inputs = append(inputs, x)
	}
	c.set(0, c.lineUp(inputs...)...)
	return true
}

// lineUp unifies axes as broadcasting does and gives those of the result.
func (c *call) lineUp(inputs ...[]*axis) []*axis {
	rank := 0
	for _, x := range inputs {
		rank = max(rank, len(x))
	}
	out := make([]*axis, rank)
	for k := range out {
		out[k] = one()
		for _, x := range inputs {
			if at := len(x) - rank + k; at >= 0 {
				out[k] = c.joint(out[k], x[at])
			}
		}
	}
	return out
}

// joint unifies two axes of which either may have one place.
func (c *call) joint(a, b *axis) *axis {
	n, m := a.length(), b.length()
	switch {
	case n == 1:
		return b
	case m == 1 || n == m && n != 0:
		if m != 1 {
			unify(a, b, c.why)
		}
		return a
	case n == 0 && m == 0 && alike(a.find(), b.find()):
		unify(a, b, c.why)
		return a
	case n > 1 && m > 1:
		// Not a model that runs.
		pinAll(c.why, a, b)
		return a
	}
	// One of them is not known and may have one place.
	pinAll(unknownSize, a, b)
	switch {
	case n > 1:
		return a
	case m > 1:
		return b
	}
	return c.unknown()
}

// oldBroadcast: before operator set 7, input 1 was lined up at an axis of its own
// choice. Only inputs of equal rank, and vectors of one place, are followed.
func (c *call) oldBroadcast() bool {
	x, ok := c.ranked(0)
	if !ok {
		return false
	}
	for k := range c.in {
		y, ok := c.ranked(k)
		if !ok || len(y) != len(x) && len(y) > 0 && !(len(y) == 1 && y[0].length() == 1) {
			return false
		}
	}
	return c.broadcast()
}

// reduce: a sum, mean, maximum or norm over axes is the same however they are
// permuted.
func (c *call) reduce() bool {
	x, ok := c.ranked(0)
	axes, ok2 := c.axesOf(1)
	keep, ok3 := c.node.Int("keepdims", 1)
	noop, ok4 := c.node.Int("noop_with_empty_axes", 0)
	if !ok || !ok2 || !ok3 || !ok4 {
		return false
	}
	reduced := make([]bool, len(x))
	for _, a := range axes {
		k, ok := along(int64(a), len(x))
		if !ok {
			return false
		}
		reduced[k] = true
	}
	var out []*axis
	for k, a := range x {
		switch {
		case !reduced[k] && (len(axes) > 0 || noop != 0):
			out = append(out, a)
		case keep != 0:
			out = append(out, one())
		}
	}
	c.set(0, out...)
	return true
}

// triangle keeps half of the matrix of the last two axes.
func (c *call) triangle() bool {
	x, ok := c.ranked(0)
	if !ok || len(x) < 2 {
		return false
	}
	pinAll(c.why+" takes a triangle of it", x[len(x)-2:]...)
	c.set(0, x...)
	return true
}

// argMax gives places of its axis, and the first of equals.
func (c *call) argMax() bool {
	x, ok := c.ranked(0)
	place, ok2 := c.node.Int("axis", 0)
	keep, ok3 := c.node.Int("keepdims", 1)
	k, ok4 := along(place, len(x))
	if !ok || !ok2 || !ok3 || !ok4 {
		return false
	}
	x[k].pin(c.why + " gives places of it")
	out := append([]*axis{}, x[:k]...)
	if keep != 0 {
		out = append(out, one())
	}
	c.set(0, append(out, x[k+1:]...)...)
	return true
}
