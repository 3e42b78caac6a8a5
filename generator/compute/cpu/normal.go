package cpu

import (
	"math"

	"rpg/generator/compute"
)

// Normal makes the numbers of numberBlocks blocks at a time.
func (d *device) Normal(dst compute.Buffer, seed, stream uint64) {
	l := d.newLines(0)
	l.a, l.seed, l.stream = vals(dst), seed, stream
	d.split(len(l.a), 4*numberBlocks, l, func(a any, worker, lo, hi int) {
		l := a.(*lines)
		memory := l.device.scratch(worker, 4*numberBlocks+numbersMemory)
		l.normalGroup(memory[:4*numberBlocks], memory[4*numberBlocks:], l.seed, l.stream, uint64(lo/4))
		copy(l.a[lo:hi], memory)
	})
	drop(l)
}

// numberBlocks is the number of blocks, of 4 numbers each, made at a time;
// numbersMemory is the working memory for that.
const (
	numberBlocks  = filterTiles
	numbersMemory = 5*numberBlocks + 23
)

// normalGroup fills dst, 4·numberBlocks, with the numbers of the blocks from first
// on, a multiple of numberBlocks. In assembly they are computed in float32, with an
// error below 1e-6.
func (l loops) normalGroup(dst, memory []float32, seed, stream, first uint64) {
	if l.fast == nil {
		for i := range uint64(numberBlocks) {
			v := compute.Normals(seed, stream, first+i)
			copy(dst[4*i:], v[:])
		}
		return
	}
	counters, memory := cut(memory, numberBlocks)
	rows, state := cut(memory, 4*numberBlocks)
	for i := range counters {
		counters[i] = word(first + uint64(i))
	}
	state[0], state[1], state[2] = word(first>>32), word(stream), word(stream>>32)
	// The keys grow by the Weyl increments of Philox.
	key0, key1 := seed, seed>>32
	for round := range 10 {
		state[3+2*round], state[4+2*round] = word(key0), word(key1)
		key0 += 0x9E3779B9
		key1 += 0xBB67AE85
	}
	l.fast.normal(numberBlocks, &rows[0], &counters[0], &state[0])
	l.merge4(dst, rows)
}

// word is the lower half of v, as bits.
func word(v uint64) float32 { return math.Float32frombits(uint32(v)) }
