package onnxio

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"
)

// attribute is one attribute of a node, its value in a canonical text form
// that is equal exactly when the values are.
type attribute struct {
	name      string
	value     string // of numbers and strings; "" when it holds tensors or graphs
	reference string // the attribute of the function that it stands for
	tensors   []*Tensor
	graphs    []*graph
}

// The values of AttributeProto.type.
const (
	kindFloat   = 1
	kindInt     = 2
	kindString  = 3
	kindTensor  = 4
	kindGraph   = 5
	kindFloats  = 6
	kindInts    = 7
	kindStrings = 8
)

// maxListText is the most list entries written out; a longer list is shown by
// its length and SHA-256.
const maxListText = 16

// list is the text of a list of any length in bounded memory.
type list struct {
	n     int
	first []string
	sum   hash.Hash
}

func (l *list) add(s string) {
	if l.sum == nil {
		l.sum = sha256.New()
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(s)))
	l.sum.Write(size[:])
	l.sum.Write([]byte(s))
	if l.n++; l.n <= maxListText {
		l.first = append(l.first, s)
	}
}

func (l *list) String() string {
	if l.n <= maxListText {
		return "[" + strings.Join(l.first, ",") + "]"
	}
	return fmt.Sprintf("[%d entries, sha256 %x]", l.n, l.sum.Sum(nil))
}

func floatText(bits uint64) string {
	v := math.Float32frombits(uint32(bits))
	if v != v {
		return fmt.Sprintf("NaN %08x", uint32(bits))
	}
	return strconv.FormatFloat(float64(v), 'g', -1, 32)
}

// readAttribute reads an AttributeProto of the node that where names.
func (p *parser) readAttribute(c cursor, where, stored string, depth int) (*attribute, error) {
	a := &attribute{}
	kind, single := int64(0), ""
	var items list
	var tensors, graphs, sparse []cursor
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		switch f.number {
		case attrName:
			a.name, err = p.text(&f, "attribute name")
		case attrReference:
			a.reference, err = p.text(&f, "ref_attr_name")
		case attrKind:
			kind, err = f.integer(p.w, "attribute type")
		case attrFloat:
			single, err = floatText(f.value), f.want(p.w, "f", wireFixed32)
		case attrInt:
			single, err = strconv.FormatInt(int64(f.value), 10), f.want(p.w, "i", wireVarint)
		case attrString:
			var s string
			s, err = p.bytesText(&f, "s")
			single = s
		case attrStrings:
			var s string
			s, err = p.bytesText(&f, "strings")
			items.add(s)
		case attrInts:
			err = f.integers(p.w, "ints", func(v int64) error { items.add(strconv.FormatInt(v, 10)); return nil })
		case attrFloats:
			err = p.floats(&f, &items)
		case attrTensor, attrTensors, attrGraph, attrGraphs, attrSparse, attrSparseTensors, attrType, attrTypes:
			if err = p.message(&f, attrFields[f.number], costSmall); err != nil {
				break
			}
			switch f.number {
			case attrTensor, attrTensors:
				tensors = append(tensors, f.body)
				if f.number == attrTensor && len(tensors) > 1 {
					err = p.w.fail(ErrInvalid, f.at, "a second tensor in one attribute", "one", "two")
				}
			case attrGraph, attrGraphs:
				graphs = append(graphs, f.body)
				if f.number == attrGraph && len(graphs) > 1 {
					err = p.w.fail(ErrInvalid, f.at, "a second graph in one attribute", "one", "two")
				}
			case attrSparse, attrSparseTensors:
				sparse = append(sparse, f.body)
			default:
				var typ valueType
				typ, err = p.readType(f.body, 0)
				items.add(typ.String())
			}
		}
		if err != nil {
			return nil, err
		}
	}
	a.value = attributeText(kind, single, &items)
	// The name may follow the value in the file, so what needs it comes now.
	if len(tensors)+len(graphs)+len(sparse) == 0 {
		return a, nil
	}
	title := fmt.Sprintf("attribute %s of %s", short(a.name), where)
	for _, body := range tensors {
		if err := p.attributeTensor(a, body, title, stored, false); err != nil {
			return nil, err
		}
	}
	for _, body := range sparse {
		if err := p.attributeTensor(a, body, title, stored, true); err != nil {
			return nil, err
		}
	}
	inside := StoredSubgraph
	if stored == StoredFunction {
		inside = StoredFunction
	}
	for _, body := range graphs {
		g, err := p.readGraph(body, title, inside, depth+1)
		if err != nil {
			return nil, err
		}
		a.graphs = append(a.graphs, g)
	}
	return a, nil
}

// attributeTensor reads a tensor that an attribute of a node holds.
func (p *parser) attributeTensor(a *attribute, body cursor, title, stored string, sparse bool) error {
	inside := StoredAttribute
	if stored != StoredInitializer {
		inside = stored
	}
	var t *Tensor
	var err error
	if sparse {
		t, err = p.readSparse(body, title, inside)
	} else {
		t, err = p.readTensor(body, title)
	}
	if err != nil {
		return err
	}
	t.Stored = inside
	a.tensors = append(a.tensors, t)
	p.store(nil, t, extent{})
	return nil
}

// attributeText is the canonical text of a value that is not a tensor or a
// graph. Writers may leave out a zero, an empty string or an empty list.
func attributeText(kind int64, single string, items *list) string {
	switch {
	case single != "":
		return single
	case items.n > 0:
		return items.String()
	case kind == kindFloat, kind == kindInt:
		return "0"
	case kind == kindString:
		return `""`
	case kind == kindFloats, kind == kindInts, kind == kindStrings:
		return "[]"
	}
	return ""
}

// bytesText is a bytes field, quoted, or its hash when it is long.
func (p *parser) bytesText(f *field, name string) (string, error) {
	if err := f.want(p.w, name, wireBytes); err != nil {
		return "", err
	}
	const short = 256
	if f.body.size() <= short {
		s, err := p.text(f, name)
		return strconv.Quote(s), err
	}
	sum := sha256.New()
	if err := p.w.copyTo(sum, extent{f.body.pos, f.body.end}); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d bytes, sha256 %x", f.body.size(), sum.Sum(nil)), nil
}

// floats adds a repeated float field, packed or not.
func (p *parser) floats(f *field, items *list) error {
	if f.wire == wireFixed32 {
		items.add(floatText(f.value))
		return nil
	}
	if err := f.want(p.w, "floats", wireFixed32, wireBytes); err != nil {
		return err
	}
	for c := f.body; c.pos < c.end; {
		v, err := c.fixed(4)
		if err != nil {
			return err
		}
		items.add(floatText(v))
	}
	return nil
}
