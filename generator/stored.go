package generator

import (
	"encoding/binary"
	"fmt"
	"slices"

	"rpg/generator/compute"
	"rpg/internal/safetensors"
)

// stored is a tensor of a checkpoint, and where its elements are on a device.
type stored struct {
	entry  safetensors.Entry
	values compute.Buffer // of F32
	codes  compute.Ints   // of U8, four to an integer
}

// stored lists the tensors of a flat buffer whose first value is the value first
// of all. Their names get a prefix.
func (ps *params) stored(prefix string, first int, b compute.Buffer) []stored {
	var list []stored
	for _, p := range ps.within(first, first+b.Len()) {
		list = append(list, stored{entry: safetensors.NewEntry(prefix+p.name, safetensors.F32, p.shape...), values: b.Slice(p.at-first, p.at-first+p.n)})
	}
	return list
}

// storedValues is a whole buffer.
func storedValues(name string, b compute.Buffer) stored {
	return stored{entry: safetensors.NewEntry(name, safetensors.F32, b.Len()), values: b}
}

// storedCodes is n bytes, four to an integer, the first in the lowest bits.
func storedCodes(name string, b compute.Ints, n int) stored {
	return stored{entry: safetensors.NewEntry(name, safetensors.U8, n), codes: b}
}

// pieceElements is how many elements, a multiple of 4, a piece has: what is in the
// process's memory, beside the device's, of one tensor at a time.
const pieceElements = 1 << 16

// pieces carries tensors from a device into a file; readTensors carries them back.
type pieces struct {
	dev    compute.Device
	values []float32
	words  []int32
	bytes  []byte
}

func newPieces(dev compute.Device) *pieces {
	return &pieces{dev, make([]float32, pieceElements), make([]int32, pieceElements/4), make([]byte, pieceElements)}
}

// write writes a tensor. A value that is not finite is a *DivergedError at step.
func (p *pieces) write(out *safetensors.Writer, s stored, step int) error {
	for at := 0; at < s.entry.Elements; at += pieceElements {
		n := min(pieceElements, s.entry.Elements-at)
		if s.codes != nil {
			words := p.words[:(n+3)/4]
			if err := p.dev.DownloadInts(words, s.codes.Slice(at/4, at/4+len(words))); err != nil {
				return err
			}
			for i, w := range words {
				binary.LittleEndian.PutUint32(p.bytes[4*i:], uint32(w))
			}
			if err := out.WriteU8(p.bytes[:n]); err != nil {
				return err
			}
			continue
		}
		piece := p.values[:n]
		if err := p.dev.Download(piece, s.values.Slice(at, at+n)); err != nil {
			return err
		}
		if i := firstNotFinite(piece); i >= 0 {
			return &DivergedError{step, fmt.Sprintf("%s[%d] is %v", s.entry.Name, at+i, piece[i])}
		}
		if err := out.WriteF32(piece); err != nil {
			return err
		}
	}
	return nil
}

func firstNotFinite(values []float32) int {
	return slices.IndexFunc(values, func(x float32) bool { return !(x-x == 0) })
}
