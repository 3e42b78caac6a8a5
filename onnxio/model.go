package onnxio

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Model is an opened model: its structure in memory, its values in the file.
// It is safe for concurrent use.
type Model struct {
	Path string // as given to Open; the name given to Parse

	src     io.ReaderAt
	size    int64
	file    *os.File // nil for a model made by Parse
	changed time.Time

	info      Info
	metadata  []metadataEntry
	main      *graph
	mainField extent // the graph field of the ModelProto, key included
	functions []*function
	tensors   []*Tensor
	weights   []*Tensor

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
// An error is an *Error that wraps ErrNotONNX, ErrTruncated, ErrInvalid or
// ErrUnsupported, or what the operating system says.
func Open(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnxio: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Error{File: path, Offset: -1, What: "not a file that can hold a model", Expected: "a regular file", Found: info.Mode().Type().String(), Err: ErrNotONNX}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	m, err := Parse(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	m.file, m.changed = f, info.ModTime()
	return m, nil
}

// Parse is Open for a model of size bytes that src holds, such as an embedded
// one. Name stands for it in errors. The caller keeps src and must not change it.
func Parse(name string, src io.ReaderAt, size int64) (*Model, error) {
	p := &parser{w: newWindow(src, size, name)}
	m := &Model{Path: name, src: src, size: size}
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

// Close closes the file. The model's values cannot be read after it.
func (m *Model) Close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
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

// readModel reads the ModelProto that is the whole file.
func (p *parser) readModel(m *Model) error {
	if p.w.size == 0 {
		return &Error{File: p.w.file, Offset: -1, What: "not an ONNX model", Expected: "a ModelProto", Found: "an empty file", Err: ErrNotONNX}
	}
	if kind := p.w.sniff(); kind != "" {
		return &Error{File: p.w.file, Offset: -1, What: "not an ONNX model", Expected: "a ModelProto", Found: kind, Err: ErrNotONNX}
	}
	c := cursor{p.w, 0, p.w.size}
	err := p.readModelFields(c, m)
	m.info.Metadata = make(map[string]string, len(m.metadata))
	for _, e := range m.metadata {
		m.info.Metadata[e.key] = e.value
	}
	switch {
	case m.info.IRVersion < 1 && (err == nil || m.main == nil):
		// Nothing says that this is a model, so a broken field says nothing either.
		e := &Error{File: p.w.file, Offset: -1, What: "not an ONNX model", Expected: "a ModelProto with ir_version and graph", Found: "no ir_version", Err: ErrNotONNX}
		if err != nil {
			e.Found = "bytes that are not a ModelProto"
		}
		return e
	case err != nil:
		return err
	case m.main == nil:
		return &Error{File: p.w.file, Offset: -1, What: "the model has no graph", Expected: "a ModelProto with ir_version and graph", Found: "no graph before the end of the file", Err: ErrTruncated}
	case m.info.IRVersion >= 3 && len(m.info.Opsets) == 0:
		return &Error{File: p.w.file, Offset: -1, What: "the model names no operator set", Expected: "opset_import", Found: "none before the end of the file", Err: ErrTruncated}
	}
	return nil
}

func (p *parser) readModelFields(c cursor, m *Model) error {
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return err
		}
		switch f.number {
		case modelIRVersion:
			m.info.IRVersion, err = f.integer(p.w, "ir_version")
		case modelProducerName:
			m.info.ProducerName, err = f.text(p.w, "producer_name")
		case modelProducerVersion:
			m.info.ProducerVersion, err = f.text(p.w, "producer_version")
		case modelGraph:
			if err = f.want(p.w, "graph", wireBytes); err != nil {
				break
			}
			if m.main != nil {
				err = p.w.fail(ErrInvalid, f.at, "a second graph", "one", "two")
				break
			}
			m.mainField = extent{f.at, f.end}
			m.main, err = p.readGraph(f.body, "", StoredInitializer, 0)
		case modelOpsetImport:
			if err = f.want(p.w, "opset_import", wireBytes); err == nil {
				var o Opset
				o, err = p.readOpset(f.body)
				m.info.Opsets = append(m.info.Opsets, o)
			}
		case modelMetadata:
			if err = f.want(p.w, "metadata_props", wireBytes); err == nil {
				e := metadataEntry{entry: extent{f.at, f.end}}
				e.key, e.value, err = p.readEntry(f.body)
				m.metadata = append(m.metadata, e)
			}
		case modelFunctions:
			if err = f.want(p.w, "functions", wireBytes); err == nil {
				var fn *function
				fn, err = p.readFunction(f.body)
				m.functions = append(m.functions, fn)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) readOpset(c cursor) (Opset, error) {
	var o Opset
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			o.Domain = plainDomain(o.Domain)
			return o, err
		}
		switch f.number {
		case opsetDomain:
			o.Domain, err = f.text(p.w, "opset domain")
		case opsetVersion:
			o.Version, err = f.integer(p.w, "opset version")
		}
		if err != nil {
			return o, err
		}
	}
}

func (p *parser) readEntry(c cursor) (key, value string, err error) {
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return key, value, err
		}
		switch f.number {
		case entryKey:
			key, err = f.text(p.w, "metadata key")
		case entryValue:
			value, err = f.text(p.w, "metadata value")
		}
		if err != nil {
			return key, value, err
		}
	}
}

// readFunction reads a FunctionProto.
func (p *parser) readFunction(c cursor) (*function, error) {
	fn := &function{graph: &graph{body: extent{c.pos, c.end}}}
	var nodes, defaults []cursor
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err == nil && !ok {
			break
		}
		var s string
		if err == nil {
			switch f.number {
			case functionName:
				fn.name, err = f.text(p.w, "function name")
			case functionDomain:
				fn.domain, err = f.text(p.w, "function domain")
			case functionOverload:
				fn.overload, err = f.text(p.w, "function overload")
			case functionInput:
				s, err = f.text(p.w, "function input")
				fn.graph.inputs = append(fn.graph.inputs, port{name: s})
			case functionOutput:
				s, err = f.text(p.w, "function output")
				fn.graph.outputs = append(fn.graph.outputs, port{name: s})
			case functionAttribute:
				s, err = f.text(p.w, "function attribute")
				fn.attrs = append(fn.attrs, s)
			case functionNode, functionDefault, functionOpset:
				if err = f.want(p.w, "of function", wireBytes); err != nil {
					break
				}
				switch f.number {
				case functionNode:
					nodes = append(nodes, f.body)
				case functionDefault:
					defaults = append(defaults, f.body)
				default:
					var o Opset
					o, err = p.readOpset(f.body)
					fn.opsets = append(fn.opsets, o)
				}
			}
		}
		if err != nil {
			return nil, at(err, fmt.Sprintf("local function %q", fn.name), "")
		}
	}
	fn.domain = plainDomain(fn.domain)
	fn.graph.label = fmt.Sprintf("local function %q", fn.name)
	for _, body := range nodes {
		n, err := p.readNode(body, fn.graph, StoredFunction, 1)
		if err != nil {
			return nil, err
		}
		fn.graph.nodes = append(fn.graph.nodes, n)
	}
	for _, body := range defaults {
		a, err := p.readAttribute(body, fn.graph.label, StoredFunction, 1)
		if err != nil {
			return nil, at(err, fn.graph.label, "")
		}
		fn.defaults = append(fn.defaults, a)
	}
	return fn, nil
}

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
