// Package onnxio turns ONNX files into named weights and back.
//
// Its promise: only the values of weights and the metadata change; every other
// byte of the file is kept. So it does not decode and encode the protobuf
// message: it walks the file's bytes once, notes where each stored tensor's
// values are, and later copies the file with those places filled anew. The
// values themselves are read only when they are asked for, piece by piece, so
// that neither time nor memory of Open grows with them.
//
// Open gives a *Model. Its Weights are what a network learns: float32 tensors
// of more than one element that reach a weight slot of an operator (the role is
// decided by operator and slot, never by name). Everything else in Tensors is
// copied, with the reason. Models of equal Signature may exchange weights; a
// *Model is itself a source of Values, and Write takes any other.
//
// What is refused has its own error, an *Error with file, tensor and byte. Not
// supported yet, and said so: external data, segmented tensors. Listed, copied
// and said so: weights of other types than float32, in subgraphs, in local
// functions, and sparse ones.
//
// Where to start reading: model.go is the entry; wire.go walks protobuf
// bytes; modelproto.go, graph.go, attribute.go, tensor.go and types.go index the
// messages, outermost first, with the numbers of fields.go and dtype.go; order.go
// resolves names and finds the canonical order; role.go decides what is a
// weight; signature.go compares graphs; values.go and canonical.go read values;
// write.go and inputs.go make new models. sniff.go and error.go are for people.
package onnxio
