// Package secondreader asks an independent program for a second opinion on
// what onnxio reads: github.com/owulveryck/onnx-go, whose decoder shares no line
// with ours. It stands apart from onnxio so that reading and writing models
// needs neither that module nor its protobuf library.
//
// Compare is the whole package. onnx-go knows a part of ONNX only: it refuses
// or panics on the rest. That is an answer of its own, NotCovered, and never
// counts against a model.
package secondreader
