package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"rpg/generator/compute"
	"rpg/onnxio"
)

// blockValues gives every weight normal numbers from one block of them, so
// that a model of any size has values without being in memory.
type blockValues struct{ block []float32 }

func newBlockValues() blockValues {
	b := make([]float32, 1<<20)
	for i := 0; i < len(b); i += 4 {
		n := compute.Normals(1, 0, uint64(i/4))
		copy(b[i:], n[:])
	}
	return blockValues{b}
}

// ReadValues implements onnxio.Values.
func (v blockValues) ReadValues(weight int, dst []float32, off int) error {
	for at := off + 97*weight; len(dst) > 0; {
		n := copy(dst, v.block[at%len(v.block):])
		dst, at = dst[n:], at+n
	}
	return nil
}

// matmulModel is a model of about so many bytes that is nowhere yet: a row of
// MatMul nodes with weights [n, n].
func matmulModel(bytes int64, v blockValues) (*onnxio.Model, error) {
	n := int64(2048)
	if bytes < 1e9 {
		n = 512
	}
	count := max(1, bytes/(4*n*n))
	var graph []byte
	f := virtualFile{values: v, payload: 4 * n * n}
	for i := range count {
		node := text(nil, 1, fmt.Sprint("h", i))
		node = text(node, 1, fmt.Sprint("w", i))
		node = text(node, 2, fmt.Sprint("h", i+1))
		graph = text(graph, 1, string(text(node, 4, "MatMul")))
	}
	graph = text(graph, 2, "bench")
	for i, field := range []uint64{11, 12} { // input, output: float [batch, n]
		shape := text(text(nil, 1, string(text(nil, 2, "batch"))), 1, string(number(nil, 1, uint64(n))))
		kind := text(nil, 1, string(text(number(nil, 1, 1), 2, string(shape))))
		name := "h0"
		if i == 1 {
			name = fmt.Sprint("h", count)
		}
		graph = text(graph, field, string(text(text(nil, 1, name), 2, string(kind))))
	}
	// The initializers, each with its payload left out; the graph goes last.
	size := int64(len(graph))
	for i := range count {
		tensor := number(number(number(nil, 1, uint64(n)), 1, uint64(n)), 2, 1)
		tensor = text(tensor, 8, fmt.Sprint("w", i))
		tensor = binary.AppendUvarint(append(tensor, 9<<3|2), uint64(f.payload)) // raw_data
		head := binary.AppendUvarint([]byte{5<<3 | 2}, uint64(len(tensor))+uint64(f.payload))
		head = append(head, tensor...)
		f.heads = append(f.heads, head)
		size += int64(len(head)) + f.payload
	}
	front := number(nil, 1, 8)
	front = text(front, 8, string(number(nil, 2, 17)))
	front = append(front, 7<<3|2)
	front = append(binary.AppendUvarint(front, uint64(size)), graph...)
	f.heads[0] = append(front, f.heads[0]...)
	for _, head := range f.heads {
		f.starts = append(f.starts, f.size)
		f.size += int64(len(head)) + f.payload
	}
	return onnxio.Parse("bench.onnx", &f, f.size)
}

// virtualFile is a file made of heads, each with a weight's values behind it.
type virtualFile struct {
	values  blockValues
	heads   [][]byte
	starts  []int64
	payload int64 // bytes of a weight
	size    int64
}

// ReadAt implements io.ReaderAt.
func (f *virtualFile) ReadAt(b []byte, pos int64) (int, error) {
	done := 0
	for done < len(b) && pos < f.size {
		i, found := slices.BinarySearch(f.starts, pos)
		if !found {
			i--
		}
		at := pos - f.starts[i]
		n := 0
		if head := f.heads[i]; at < int64(len(head)) {
			n = copy(b[done:], head[at:])
		} else {
			n = f.copyPayload(b[done:], i, at-int64(len(head)))
		}
		done, pos = done+n, pos+int64(n)
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}

// copyPayload copies bytes of a weight's values, from byte at on.
func (f *virtualFile) copyPayload(b []byte, weight int, at int64) int {
	b = b[:min(int64(len(b)), f.payload-at)]
	block := f.values.block
	for done := 0; done < len(b); {
		var four [4]byte
		element := int(at+int64(done)) / 4
		binary.LittleEndian.PutUint32(four[:], math.Float32bits(block[(element+97*weight)%len(block)]))
		done += copy(b[done:], four[(at+int64(done))%4:])
	}
	return len(b)
}

// text appends a protobuf field of bytes, number one of an integer.
func text(b []byte, field uint64, value string) []byte {
	b = binary.AppendUvarint(b, field<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

func number(b []byte, field, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, field<<3), value)
}
