// Package peer runs the program that rpg is measured against: peer.py, which
// trains and samples the published model in PyTorch, scores with Python's ONNX
// Runtime and rewrites files with the package onnx. It is no part of rpg: the
// caller says where it lies.
//
// Read peer.go (one measurement is one process, which answers with a line of
// JSON), then environment.go (the Python that it runs in). gpu.py is ours: it has the
// model that peer.py makes compute on a GPU, of any size; gpu.go runs it.
package peer
