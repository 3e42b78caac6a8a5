// Package secondreader asks an independent program for a second opinion on
// what onnxio reads: github.com/owulveryck/onnx-go, whose decoder shares no line
// with ours. It stands apart from onnxio so that reading and writing models
// needs neither that module nor its protobuf library.
//
// Compare is the whole package, in compare.go. onnx-go holds a file several times
// over, and allocates every value whose shape the file declares. So split.go takes
// the file apart first, which shares no line with onnxio either: onnx-go is given
// the graph without its tensors and types, and, in tensor.go, each tensor alone, a
// long one piece by piece. recorder.go keeps what it tells of the graph.
//
// onnx-go knows a part of ONNX only: it refuses or panics on the rest. That is an
// answer of its own, NotCovered, and never counts against a model.
package secondreader
