// Package onnxio turns ONNX files into named weights and back.
//
// Its promise: only the values of weights and the metadata change; every other
// byte of the file is kept, but for the lengths around a value that changes its
// own. So it does not decode and encode the protobuf message: it walks the file's
// bytes once, notes where each stored tensor's values are, and later copies the
// file with those places filled anew. The values themselves are read only when
// they are asked for, piece by piece, so that neither time nor memory of Open
// grows with them.
//
// Open gives a *Model. Its Weights are what a network learns: tensors of float32,
// float64, float16 or bfloat16 and of more than one element that reach a weight
// slot of an operator (the role is decided by operator and slot, never by name).
// They may be initializers, the values of sparse ones, or Constant nodes, in the
// main graph, in branches and loop bodies, and in local functions, in the file or
// in side files. Everything else in Tensors is copied, with the reason. Models of
// equal Signature may exchange weights; a *Model is itself a source of Values, and
// Write takes any other. Values are float32 whatever the type of the weight.
//
// What is refused has its own error, an *Error with file, tensor and byte. Limits
// bound what a hostile file can cost; external.go says what a side file may be.
// Not supported, and said so: tensors in segments. Not weights here: lists of
// numbers that an operator has as an attribute, such as those of tree ensembles.
//
// Where to start reading: model.go is the entry; limits.go has what is accepted.
// wire.go walks protobuf bytes; modelproto.go, graph.go, constant.go, attribute.go,
// tensor.go, span.go, external.go and types.go index the messages, outermost first,
// with the numbers of fields.go and dtype.go; order.go and calls.go resolve names
// and find the canonical order; role.go decides what is a weight by the tables of
// slots.go; select.go overrides that by name; signature.go, defaults.go and differences.go
// compare graphs. values.go, span.go and canonical.go read values, half.go and
// encode.go make them. rewrite.go changes parts of a file; write.go, side.go and
// inputs.go use it to make new models. sniff.go and error.go are for people.
//
// The package coverage below it holds all this against real files.
package onnxio
