package onnxio

import "fmt"

// Limits bound what Open accepts, so that a file made to do harm ends in an
// error that names the limit, in bounded memory and time. A field that is zero
// has the value of its constant below.
type Limits struct {
	// Depth is how deep branches, loop bodies and types may lie inside one another.
	Depth int
	// NameBytes is the length of the longest name or metadata value.
	NameBytes int64
	// Rank is the number of dimensions of a tensor.
	Rank int
	// IndexBytes is the memory, roughly, that the index of nodes, tensors and
	// names may take. Payloads are not in it: they stay in the file.
	IndexBytes int64
	// Links allows side files with external data to be symbolic links that stay
	// inside the model's folder, and to have other names (hard links).
	Links bool
}

// The limits of the zero Limits. They are far above what exporters write: a
// model with 100,000 nodes and as many tensors takes about 100 MB of index.
const (
	MaxDepth      = 32
	MaxNameBytes  = 16 << 20
	MaxRank       = 64
	MaxIndexBytes = 512 << 20
)

// What cannot be raised.
const (
	// maxOpenSides is the number of side files kept open; more are opened and
	// checked again at each reading.
	maxOpenSides = 64
	// maxFollowed bounds the uses that are followed through local functions and
	// loop bodies, in all: functions that call one another can multiply them. What
	// lies behind it counts as used by the call itself.
	maxFollowed = 1 << 22
	// maxProtobuf is the largest message that protobuf's parsers accept.
	maxProtobuf = 1<<31 - 1
)

func (l Limits) complete() Limits {
	if l.Depth <= 0 {
		l.Depth = MaxDepth
	}
	if l.NameBytes <= 0 {
		l.NameBytes = MaxNameBytes
	}
	if l.Rank <= 0 {
		l.Rank = MaxRank
	}
	if l.IndexBytes <= 0 {
		l.IndexBytes = MaxIndexBytes
	}
	return l
}

// What an entry of the index costs, in bytes, the maps and slices that will
// hold it included; measured generously.
const (
	costNode      = 512
	costTensor    = 640
	costAttribute = 256
	costGraph     = 512
	costName      = 160 // and its length
	costPort      = 256
	costDim       = 64
	costSpan      = 64
	costSmall     = 96
)

// charge counts n bytes of index that the file's byte pos asks for.
func (p *parser) charge(pos, n int64) error {
	p.used += n
	if p.used > p.limits.IndexBytes {
		return p.w.fail(ErrLimit, pos, "the index of the model's structure takes too much memory",
			fmt.Sprintf("at most %d bytes (IndexBytes)", p.limits.IndexBytes), "more")
	}
	return nil
}

// text reads f as a string and counts it.
func (p *parser) text(f *field, name string) (string, error) {
	if n := f.body.size(); n > p.limits.NameBytes {
		return "", p.w.fail(ErrLimit, f.at, "the "+name+" is too long", fmt.Sprintf("at most %d bytes (NameBytes)", p.limits.NameBytes), fmt.Sprint(n))
	}
	if err := p.charge(f.at, costName+f.body.size()); err != nil {
		return "", err
	}
	return f.text(p.w, name)
}

// message is the error of a field that is not a message, or counts n bytes for
// what it will become.
func (p *parser) message(f *field, name string, n int64) error {
	if err := f.want(p.w, name, wireBytes); err != nil {
		return err
	}
	return p.charge(f.at, n)
}
