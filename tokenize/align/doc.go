// Package align finds which channels of a model may be permuted without changing
// what it computes, and permutes models so that their weights lie close together.
// It is what makes networks of independent seeds comparable, for training and for
// honest distances.
//
// The symmetry is found from the ONNX graph itself: Find follows every value from
// the inputs to the outputs and ties the axes that must be permuted alike, through
// convolutions (grouped and depthwise too), matrix products, normalizations,
// element-wise operators, residual sums, pooling, Concat, Split, Pad, Flatten,
// Reshape and Transpose, and so through the heads of attention that is written out
// in these. The ends of the graph stay as they are. Whatever is not understood is
// pinned, with the reason: too little may be permuted, never too much.
//
// Two limits. Groups of a grouped convolution, heads of attention and groups of a
// GroupNormalization are permuted as wholes, and the channels within them alike in
// all of them, although each could have an order of its own. Scaling symmetries,
// such as those of ReLU, are left alone.
//
// Read axis.go (an axis as a tree of runs, blocks and joins, and unification),
// follow.go (the walk over the graph), rules.go, linear.go, normalize.go,
// shapes.go, slice.go and reshape.go (one rule for each operator), ints.go (shapes that the
// graph computes), symmetry.go (groups and permutations), apply.go (permuted
// weights), assign.go (linear assignment), match.go (one model to another) and
// frame.go (a zoo to one order).
package align
