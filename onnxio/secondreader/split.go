package secondreader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Field numbers of onnx.proto3 that the file is taken apart by.
const (
	modelGraph = 7

	graphNode        = 1
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	graphValueInfo   = 13

	nodeOutput    = 2
	nodeOpType    = 4
	nodeAttribute = 5

	attributeName    = 1
	attributeTensor  = 5
	attributeGraph   = 6
	attributeTensors = 10
	attributeGraphs  = 11

	portName = 1
	portType = 2

	tensorDims = 1
	tensorType = 2
	tensorName = 8
	tensorRaw  = 9
)

// Protobuf's wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// What is in memory at once: a model without its tensors, and one tensor that
// is not in raw_data. Of raw_data it is a piece of pieceBytes.
const (
	maxGraph   = 16 << 20
	maxTensor  = 64 << 20
	pieceBytes = 1 << 20
)

var errTooLarge = errors.New("too large")

// file is an ONNX file that is taken apart without holding it.
type file struct {
	src    io.ReaderAt
	size   int64
	at     int64 // of window in src
	window []byte
}

// field is one protobuf field: its key at at, its body from body to end.
type field struct {
	number        uint64
	wire          int
	at, body, end int64
}

// part is the message of one tensor: an initializer, or what a Constant gives
// under the name of its output.
type part struct {
	output  string // "" for an initializer, which has a name
	at, end int64
}

// varint reads the base-128 number at pos.
func (f *file) varint(pos int64) (v uint64, next int64, err error) {
	if pos < f.at || pos+binary.MaxVarintLen64 > f.at+int64(len(f.window)) {
		f.at, f.window = pos, f.window[:cap(f.window)]
		n, err := f.src.ReadAt(f.window, pos)
		if f.window = f.window[:n]; err != nil && err != io.EOF {
			return 0, 0, err
		}
	}
	v, n := binary.Uvarint(f.window[pos-f.at:])
	if n <= 0 {
		return 0, 0, io.ErrUnexpectedEOF
	}
	return v, pos + int64(n), nil
}

// each visits the fields between at and end.
func (f *file) each(at, end int64, visit func(field) error) error {
	for at < end {
		key, pos, err := f.varint(at)
		if err != nil {
			return err
		}
		x := field{number: key >> 3, wire: int(key & 7), at: at, body: pos}
		switch x.wire {
		case wireVarint:
			_, x.end, err = f.varint(pos)
		case wireFixed64:
			x.end = pos + 8
		case wireFixed32:
			x.end = pos + 4
		case wireBytes:
			var n uint64
			if n, x.body, err = f.varint(pos); err == nil && n > uint64(end-x.body) {
				err = io.ErrUnexpectedEOF
			}
			x.end = x.body + int64(n)
		default:
			err = fmt.Errorf("wire type %d", x.wire)
		}
		if err != nil {
			return err
		}
		if x.end > end {
			return io.ErrUnexpectedEOF
		}
		if err := visit(x); err != nil {
			return err
		}
		at = x.end
	}
	return nil
}

// keep appends the bytes of the file from at to end to b, up to most bytes in all.
func (f *file) keep(b *[]byte, at, end int64, most int) error {
	if end-at > int64(most-len(*b)) {
		return errTooLarge
	}
	old := len(*b)
	*b = append(*b, make([]byte, end-at)...)
	_, err := io.ReadFull(io.NewSectionReader(f.src, at, end-at), (*b)[old:])
	return err
}

func (f *file) text(x field) (string, error) {
	var b []byte
	err := f.keep(&b, x.body, x.end, maxGraph)
	return string(b), err
}

// split gives the model without its tensors and without the types of its
// values, for each of which onnx-go would allocate a tensor, and where the tensors are.
func (f *file) split() (rest []byte, parts []part, err error) {
	var graph []byte
	err = f.each(0, f.size, func(x field) error {
		if x.number != modelGraph || x.wire != wireBytes {
			return f.keep(&rest, x.at, x.end, maxGraph)
		}
		return f.each(x.body, x.end, func(x field) error {
			switch {
			case x.wire == wireBytes && x.number == graphValueInfo:
				return nil
			case x.wire == wireBytes && x.number == graphInitializer:
				parts = append(parts, part{at: x.body, end: x.end})
				return nil
			case x.wire == wireBytes && (x.number == graphInput || x.number == graphOutput):
				port, err := f.without(x, portType)
				graph = message(graph, x.number, port)
				return err
			case x.wire == wireBytes && x.number == graphNode:
				node, err := f.node(x, &parts)
				if len(graph)+len(node) > maxGraph {
					return errTooLarge
				}
				graph = message(graph, x.number, node)
				return err
			}
			return f.keep(&graph, x.at, x.end, maxGraph)
		})
	})
	return message(rest, modelGraph, graph), parts, err
}

// without gives the fields of x but for those of one number.
func (f *file) without(x field, number uint64) (kept []byte, err error) {
	err = f.each(x.body, x.end, func(x field) error {
		if x.number == number {
			return nil
		}
		return f.keep(&kept, x.at, x.end, maxGraph)
	})
	return kept, err
}

// node gives a node without the attributes that are tensors, and appends the
// value of a Constant to parts.
func (f *file) node(x field, parts *[]part) (kept []byte, err error) {
	var op, output string
	value := part{}
	err = f.each(x.body, x.end, func(x field) (err error) {
		switch {
		case x.number == nodeOpType && x.wire == wireBytes:
			op, err = f.text(x)
		case x.number == nodeOutput && x.wire == wireBytes && output == "":
			output, err = f.text(x)
		case x.number == nodeAttribute && x.wire == wireBytes:
			name, tensor, err := f.attribute(x)
			if err != nil {
				return err
			}
			if tensor.end > 0 {
				if name == "value" {
					value = tensor
				}
				return nil
			}
		}
		if err != nil {
			return err
		}
		return f.keep(&kept, x.at, x.end, maxGraph)
	})
	if op == "Constant" && value.end > 0 {
		value.output = output
		*parts = append(*parts, value)
	}
	return kept, err
}

// attribute gives an attribute's name and, where it is nothing else, its tensor.
func (f *file) attribute(x field) (name string, tensor part, err error) {
	more := false
	err = f.each(x.body, x.end, func(x field) (err error) {
		switch x.number {
		case attributeName:
			name, err = f.text(x)
		case attributeTensor:
			tensor = part{at: x.body, end: x.end}
		case attributeGraph, attributeTensors, attributeGraphs:
			more = true
		}
		return err
	})
	if more {
		tensor = part{}
	}
	return name, tensor, err
}

// message appends a field that is a message.
func message(b []byte, number uint64, body []byte) []byte {
	b = binary.AppendUvarint(b, number<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}
