package generator

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"rpg/generator/compute"
	"rpg/internal/safetensors"
)

// readers is how many goroutines read ahead at most; each has two pieces in memory.
const readers = 4

// section is n elements of a tensor, from element at on, and its entry in a file.
type section struct {
	of    *stored
	from  *safetensors.Entry
	at, n int
}

// sections cuts tensors into pieces, one tensor after the other. Each must be in the
// file, whose path is for messages.
func sections(f *safetensors.Reader, tensors []stored, path string) ([]section, error) {
	var list []section
	for k := range tensors {
		s := &tensors[k]
		e := f.Entry(s.entry.Name)
		if e == nil || e.DType != s.entry.DType || !slices.Equal(e.Shape, s.entry.Shape) {
			return nil, fmt.Errorf("generator: %s: tensor %q of shape %v is missing or has another shape", path, s.entry.Name, s.entry.Shape)
		}
		for at := 0; at < e.Elements; at += pieceElements {
			list = append(list, section{s, e, at, min(pieceElements, e.Elements-at)})
		}
	}
	return list, nil
}

// readTensors fills tensors from a file. A GPU takes values faster than one core reads
// and checks them, so that several do, ahead of the uploads. These are in order all
// the same: the first bad value in the file is the one that is reported.
func readTensors(f *safetensors.Reader, dev compute.Device, tensors []stored, path string) error {
	list, err := sections(f, tensors, path)
	if err != nil {
		return err
	}
	turns := make([]chan *piece, min(readers, runtime.GOMAXPROCS(0), len(list)))
	stop := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(stop)
	for w := range turns {
		// It holds none: when a piece is taken, the one before is uploaded, and its
		// memory is the next one's.
		turns[w] = make(chan *piece)
		running.Go(func() {
			var two [2]piece
			for i := w; i < len(list); i += len(turns) {
				p := &two[i/len(turns)%2]
				p.err = p.read(f, list[i], path)
				select {
				case turns[w] <- p:
				case <-stop:
					return
				}
			}
		})
	}
	for i := range list {
		p := <-turns[i%len(turns)]
		if p.err != nil {
			return p.err
		}
		p.upload(dev)
	}
	return nil
}

// piece is a part of a tensor in the process's memory.
type piece struct {
	section
	values []float32
	bytes  []byte
	words  []int32
	err    error
}

// read reads a section and checks its values.
func (p *piece) read(f *safetensors.Reader, from section, path string) error {
	p.section = from
	if p.of.codes != nil {
		p.words = slices.Grow(p.words[:0], (p.n+3)/4)[:(p.n+3)/4]
		p.bytes = slices.Grow(p.bytes[:0], 4*len(p.words))[:4*len(p.words)]
		clear(p.bytes[p.n:])
		if err := f.ReadU8(p.from, p.bytes[:p.n], p.at); err != nil {
			return fmt.Errorf("generator: %w", err)
		}
		for i := range p.words {
			p.words[i] = int32(binary.LittleEndian.Uint32(p.bytes[4*i:]))
		}
		return nil
	}
	p.values = slices.Grow(p.values[:0], p.n)[:p.n]
	if err := f.ReadF32(p.from, p.values, p.at); err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	if i := firstNotFinite(p.values); i >= 0 {
		return fmt.Errorf("generator: %s: tensor %q value %d is %v", path, p.from.Name, p.at+i, p.values[i])
	}
	return nil
}

// upload puts what was read on the device.
func (p *piece) upload(dev compute.Device) {
	if p.of.codes != nil {
		dev.UploadInts(p.of.codes.Slice(p.at/4, p.at/4+len(p.words)), p.words)
		return
	}
	dev.Upload(p.of.values.Slice(p.at, p.at+p.n), p.values)
}
