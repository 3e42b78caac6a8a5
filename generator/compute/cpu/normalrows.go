package cpu

import "rpg/generator/compute"

// NormalRows makes the numbers of a row in the groups of Normal.
func (d *device) NormalRows(dst compute.Matrix, keys compute.Ints, offset uint64) {
	l := d.newLines(dst.Cols)
	l.x, l.numbers, l.stream = output(dst, dst.Rows, dst.Cols), whole(keys), offset
	if len(l.numbers) != 4*dst.Rows {
		panic(errShape)
	}
	d.parallel(dst.Rows*l.numberGroups(), l, func(a any, worker, item, _ int) {
		l := a.(*lines)
		memory := l.device.scratch(worker, 4*numberBlocks+numbersMemory)
		row, group := item/l.numberGroups(), item%l.numberGroups()
		key := l.numbers[4*row:]
		seed, stream := twoWords(key), twoWords(key[2:])+l.stream
		l.normalGroup(memory[:4*numberBlocks], memory[4*numberBlocks:], seed, stream, uint64(group*numberBlocks))
		copy(l.x.row(row)[group*4*numberBlocks:], memory[:4*numberBlocks])
	})
	drop(l)
}

// numberGroups is the number of groups in a row.
func (l *lines) numberGroups() int { return (l.cols + 4*numberBlocks - 1) / (4 * numberBlocks) }

// twoWords is a number of 64 bits, low word first.
func twoWords(v []int32) uint64 { return uint64(uint32(v[0])) | uint64(uint32(v[1]))<<32 }
