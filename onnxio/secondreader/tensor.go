package secondreader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	onnx "github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"

	"rpg/onnxio"
)

// pieces lets onnx-go decode one tensor: raw_data longer than a piece comes
// cut, each piece as a tensor of one dimension; anything else comes as it is.
type pieces struct {
	f       *file
	whole   part
	name    string
	dims    []int
	dtype   uint64
	at, end int64 // what is to come of raw_data
	cut     bool
	done    bool
}

// open looks at the message of a tensor.
func (f *file) open(p part) (*pieces, error) {
	r := &pieces{f: f, whole: p}
	dimension := func(pos int64) (int64, error) {
		v, next, err := f.varint(pos)
		r.dims = append(r.dims, int(v))
		return next, err
	}
	err := f.each(p.at, p.end, func(x field) (err error) {
		switch {
		case x.number == tensorName && x.wire == wireBytes:
			r.name, err = f.text(x)
		case x.number == tensorType && x.wire == wireVarint:
			r.dtype, _, err = f.varint(x.body)
		case x.number == tensorDims && x.wire == wireVarint:
			_, err = dimension(x.body)
		case x.number == tensorDims && x.wire == wireBytes:
			for pos := x.body; pos < x.end && err == nil; {
				pos, err = dimension(pos)
			}
		case x.number == tensorRaw && x.wire == wireBytes:
			r.at, r.end = x.body, x.end
		}
		return err
	})
	if p.output != "" {
		r.name = p.output
	}
	r.cut = r.end-r.at > pieceBytes
	return r, err
}

// next decodes the next piece, of elements of width bytes; io.EOF after the last.
func (r *pieces) next(width int64) (tensor.Tensor, error) {
	if r.done {
		return nil, io.EOF
	}
	if !r.cut {
		r.done = true
		var body []byte
		if err := r.f.keep(&body, r.whole.at, r.whole.end, maxTensor); err != nil {
			return nil, fmt.Errorf("a tensor of %d bytes outside raw_data: %w", r.whole.end-r.whole.at, err)
		}
		return decodeTensor(body)
	}
	n := min(pieceBytes, r.end-r.at)
	var raw []byte
	if err := r.f.keep(&raw, r.at, r.at+n, pieceBytes); err != nil {
		return nil, err
	}
	r.at += n
	r.done = r.at == r.end
	body := message(nil, tensorDims, binary.AppendUvarint(nil, uint64(n/width)))
	body = binary.AppendUvarint(append(body, tensorType<<3|wireVarint), r.dtype)
	return decodeTensor(message(body, tensorRaw, raw))
}

// decodeTensor lets onnx-go read a model of one operator and the initializer body.
func decodeTensor(body []byte) (tensor.Tensor, error) {
	const name = "t"
	body = message(body, tensorName, []byte(name)) // of two names, the last is the name
	node := message(message(nil, nodeOutput, []byte("o")), nodeOpType, []byte("Identity"))
	graph := message(nil, graphNode, node)
	graph = message(graph, graphOutput, message(nil, portName, []byte("o")))
	graph = message(graph, graphInitializer, body)
	r, err := decode(message(nil, modelGraph, graph))
	if err != nil {
		return nil, err
	}
	for all := r.Nodes(); all.Next(); {
		if v, ok := all.Node().(*value); ok && v.name == name && v.data != nil {
			return v.data, nil
		}
	}
	return nil, errors.New("it gives no tensor")
}

// decode lets onnx-go read a model. Whatever it panics with becomes an error.
func decode(data []byte) (seen *recorder, err error) {
	defer func() {
		if p := recover(); p != nil {
			seen, err = nil, fmt.Errorf("it panics: %v", p)
		}
	}()
	r := newRecorder()
	if err := onnx.NewModel(r).UnmarshalBinary(data); err != nil {
		return nil, err
	}
	return r, nil
}

// elements gives the values of a tensor that onnx-go has decoded, little-endian.
func elements(t tensor.Tensor) (raw []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			raw, err = nil, fmt.Errorf("its tensor cannot be read: %v", p)
		}
	}()
	return binary.Append(nil, binary.LittleEndian, t.Data())
}

// matcher compares the bytes written to it, which are onnxio's, with onnx-go's.
type matcher struct {
	next    func() ([]byte, error)
	theirs  []byte // not yet compared
	dtype   onnxio.DType
	width   int
	element int // of the first of theirs
}

// errDiffers is a difference that a matcher has found.
type errDiffers string

func (e errDiffers) Error() string { return string(e) }

// Write is given whole elements, or whole parts of them.
func (m *matcher) Write(ours []byte) (int, error) {
	n := len(ours)
	for len(ours) > 0 {
		if len(m.theirs) == 0 {
			var err error
			if m.theirs, err = m.next(); err == io.EOF {
				return 0, errDiffers(fmt.Sprintf("%d elements for onnx-go and more for onnxio", m.element))
			} else if err != nil {
				return 0, err
			}
			continue
		}
		k := min(len(ours), len(m.theirs))
		if !bytes.Equal(ours[:k], m.theirs[:k]) {
			return 0, m.differs(ours[:k])
		}
		ours, m.theirs = ours[k:], m.theirs[k:]
		m.element += k / m.width
	}
	return n, nil
}

// end says whether onnx-go has more elements.
func (m *matcher) end() error {
	if len(m.theirs) == 0 {
		var err error
		if m.theirs, err = m.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return errDiffers(fmt.Sprintf("more elements for onnx-go than the %d for onnxio", m.element))
}

func (m *matcher) differs(ours []byte) error {
	for at := 0; at+m.width <= len(ours); at += m.width {
		a, b := ours[at:at+m.width], m.theirs[at:at+m.width]
		if !bytes.Equal(a, b) {
			return errDiffers(fmt.Sprintf("element %d is %s for onnx-go and %s for onnxio", m.element+at/m.width, number(m.dtype, b), number(m.dtype, a)))
		}
	}
	return errDiffers("a part of an element")
}

// number writes one element for people.
func number(d onnxio.DType, b []byte) string {
	le := binary.LittleEndian
	switch d {
	case onnxio.Float32:
		return fmt.Sprint(math.Float32frombits(le.Uint32(b)))
	case onnxio.Float64:
		return fmt.Sprint(math.Float64frombits(le.Uint64(b)))
	case onnxio.Int32:
		return fmt.Sprint(int32(le.Uint32(b)))
	}
	return fmt.Sprint(int64(le.Uint64(b)))
}
