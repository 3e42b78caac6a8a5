package onnxio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Model is an opened model: its structure in memory, its values in the file.
// It is safe for concurrent use.
type Model struct {
	Path string // as given to Open; the name given to Parse

	src    io.ReaderAt
	size   int64
	file   *os.File    // nil for a model made by Parse
	opened os.FileInfo // of file, as it was at Open
	sides  *sides      // nil for a model made by Parse

	info      Info
	metadata  []metadataEntry
	main      *graph
	mainField extent // the graph field of the ModelProto, key included
	functions []*function
	tensors   []*Tensor
	weights   []*Tensor
	selection Selection
	followed  int // uses that were followed across operators, see maxFollowed

	buffers sync.Pool // of *[chunkBytes]byte, for reading values

	signOnce  sync.Once
	facts     []fact
	signature string
	signErr   error
}

// Opset is one operator set that the model uses; Domain is "" for ONNX itself.
type Opset struct {
	Domain  string `json:"domain"`
	Version int64  `json:"version"`
}

// Port is one input or output of the model. Shape has -1 where a dimension is
// not a number; Symbols has the dimension's name there, if it has one, and ""
// elsewhere. DType is 0 and Shape nil when the model does not say them, or when
// the value is not a tensor; Type says it in words in every case.
type Port struct {
	Name    string
	DType   DType
	Shape   []int64
	Symbols []string
	Type    string
}

// Info is what a model says about itself. Inputs are the ones that a caller
// must give, without the initializers that old exporters list among them.
type Info struct {
	IRVersion       int64
	Opsets          []Opset
	ProducerName    string
	ProducerVersion string
	Inputs          []Port
	Outputs         []Port
	Metadata        map[string]string // metadata_props
	Bytes           int64             // the size of the file
	Nodes           int               // of the main graph
}

// metadataEntry is one entry of metadata_props and its place in the file.
type metadataEntry struct {
	key, value string
	entry      extent
}

// Open indexes the ONNX model in the file path. It reads the structure and
// steps over the values, so that its time and memory do not depend on the
// number of weights. The file stays open until Close.
//
// Values in side files are found in the model's folder or below it. Such a file
// must be there, regular, and long enough; absolute paths, "..", symbolic links
// and files with a second name are refused. Both kinds of file stay open.
//
// An error is an *Error that wraps ErrNotONNX, ErrTruncated, ErrInvalid,
// ErrUnsupported, ErrLimit or ErrUnsafe, or what the operating system says.
func Open(path string) (*Model, error) { return OpenWith(path, Limits{}) }

// OpenWith is Open with other limits than the usual ones.
func OpenWith(path string, l Limits) (*Model, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, fmt.Errorf("onnxio: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Error{File: path, Offset: -1, What: "not a file that can hold a model", Expected: "a regular file", Found: kindOf(info.Mode()), Err: ErrNotONNX}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	d := &sides{folder: filepath.Dir(path), model: info, limits: l.complete(), byPath: map[string]*side{}}
	m, err := parse(path, f, info.Size(), l, d)
	if err != nil {
		f.Close()
		d.close()
		return nil, err
	}
	m.file, m.opened = f, info
	return m, nil
}

// Parse is Open for a model of size bytes that src holds, such as an embedded
// one. Name stands for it in errors. The caller keeps src and must not change
// it. Values in side files are refused: there is no folder to look in.
func Parse(name string, src io.ReaderAt, size int64) (*Model, error) {
	return parse(name, src, size, Limits{}, nil)
}

func parse(name string, src io.ReaderAt, size int64, l Limits, d *sides) (*Model, error) {
	p := &parser{w: newWindow(src, size, name), limits: l.complete()}
	if d != nil {
		p.side = d.find
	}
	m := &Model{Path: name, src: src, size: size, sides: d}
	if err := p.readModel(m); err != nil {
		return nil, err
	}
	m.tensors = p.tensors
	slices.SortStableFunc(m.tensors, func(a, b *Tensor) int {
		return int(min(max(a.body.at-b.body.at, -1), 1))
	})
	if err := m.link(); err != nil {
		return nil, err
	}
	m.assignRoles()
	m.info.Bytes, m.info.Nodes = size, len(m.main.nodes)
	m.info.Inputs, m.info.Outputs = m.ports(m.main.inputs, true), m.ports(m.main.outputs, false)
	return m, nil
}

// Close closes the file and its side files. The model's values cannot be read after it.
func (m *Model) Close() error {
	if m.file == nil {
		return nil
	}
	return errors.Join(m.file.Close(), m.sides.close())
}

// Tensors lists every tensor stored in the file, in the file's order. The
// slice and the tensors belong to the model and must not be changed.
func (m *Model) Tensors() []*Tensor { return m.tensors }

// Weights lists the tensors that get new values, in the order of first use in
// the graph (in the canonical order that Signature uses), then of input slot.
// Models of equal Signature have equal Weights but for names and values. The
// slice and the tensors belong to the model and must not be changed.
func (m *Model) Weights() []*Tensor { return m.weights }

// Info returns what the model says about itself. The maps and slices in it
// belong to the model and must not be changed.
func (m *Model) Info() Info { return m.info }

// Operator is a node as the file has it: its operator, and the names of what it
// takes and makes, "" for an optional one that is left out.
type Operator struct {
	Op              string
	Inputs, Outputs []string
}

// Operators lists every node of the main graph, in the file's order. The names
// belong to the model and must not be changed.
func (m *Model) Operators() []Operator {
	ops := make([]Operator, len(m.main.nodes))
	for i, n := range m.main.nodes {
		ops[i] = Operator{n.op, n.inputs, n.outputs}
	}
	return ops
}

// Reader reads the whole file as it is.
func (m *Model) Reader() *io.SectionReader { return io.NewSectionReader(m.src, 0, m.size) }

// ports describes the graph's ends for callers; required leaves out inputs
// that have a stored value.
func (m *Model) ports(in []port, required bool) []Port {
	var out []Port
	for _, v := range in {
		if d := m.main.defs[v.name]; required && d != nil && d.tensor != nil {
			continue
		}
		p := Port{Name: v.name, Type: v.typ.String()}
		if v.typ.kind == "tensor" {
			p.DType = v.typ.dtype
			if v.typ.ranked {
				p.Shape, p.Symbols = []int64{}, []string{}
			}
			for _, d := range v.typ.dims {
				p.Shape, p.Symbols = append(p.Shape, d.value), append(p.Symbols, d.symbol)
			}
		}
		out = append(out, p)
	}
	return out
}
