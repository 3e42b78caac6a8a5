package cpu

import "rpg/generator/compute"

func (d *device) Normal(dst compute.Buffer, seed, stream uint64) {
	out := vals(dst)
	const group = 1024 // a multiple of the 4 numbers that a block gives
	d.parallel((len(out)+group-1)/group, func(_, g int) {
		for i := g * group; i < min(len(out), (g+1)*group); i += 4 {
			v := compute.Normals(seed, stream, uint64(i/4))
			copy(out[i:], v[:])
		}
	})
}
