package onnxio

import "fmt"

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
			m.info.ProducerName, err = p.text(&f, "producer_name")
		case modelProducerVersion:
			m.info.ProducerVersion, err = p.text(&f, "producer_version")
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
			if err = p.message(&f, "opset_import", costSmall); err == nil {
				var o Opset
				o, err = p.readOpset(f.body)
				m.info.Opsets = append(m.info.Opsets, o)
			}
		case modelMetadata:
			if err = p.message(&f, "metadata_props", costSmall); err == nil {
				e := metadataEntry{entry: extent{f.at, f.end}}
				e.key, e.value, err = p.readEntry(f.body)
				m.metadata = append(m.metadata, e)
			}
		case modelFunctions:
			if err = p.message(&f, "functions", costGraph); err == nil {
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
			o.Domain, err = p.text(&f, "opset domain")
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
			key, err = p.text(&f, "metadata key")
		case entryValue:
			value, err = p.text(&f, "metadata value")
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
	var entries []extent // of the nodes
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err == nil && !ok {
			break
		}
		var s string
		if err == nil {
			switch f.number {
			case functionName:
				fn.name, err = p.text(&f, "function name")
			case functionDomain:
				fn.domain, err = p.text(&f, "function domain")
			case functionOverload:
				fn.overload, err = p.text(&f, "function overload")
			case functionInput:
				s, err = p.text(&f, "function input")
				fn.graph.inputs = append(fn.graph.inputs, port{name: s})
			case functionOutput:
				s, err = p.text(&f, "function output")
				fn.graph.outputs = append(fn.graph.outputs, port{name: s})
			case functionAttribute:
				s, err = p.text(&f, "function attribute")
				fn.attrs = append(fn.attrs, s)
			case functionNode, functionDefault, functionOpset:
				if err = p.message(&f, functionFields[f.number], costSmall); err != nil {
					break
				}
				switch f.number {
				case functionNode:
					nodes, entries = append(nodes, f.body), append(entries, extent{f.at, f.end})
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
	fn.graph.label = "local function " + short(fn.name)
	for i, body := range nodes {
		n, err := p.readNode(body, fn.graph, StoredFunction, 1)
		if err != nil {
			return nil, err
		}
		n.entry = entries[i]
		n.setEntry()
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
