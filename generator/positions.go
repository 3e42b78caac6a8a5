package generator

import (
	"rpg/generator/compute"
	"rpg/tokenize"
)

// fillPositions fills dst, [n, M], with the positions of tokens first, first+1,
// …, as the configuration has them: sines, which are the published ones, or
// coded, the sines plus a vector of standard normal numbers that is each token's
// own. Sines of neighbours are nearly the same, and prototypes that are learn to
// differ only slowly; vectors drawn at random are far apart from the start.
func (c Config) fillPositions(dst []float32, layout *tokenize.Layout, first int) {
	clear(dst) // rows behind the last token
	layout.FillPositions(dst, c.Width, first)
	if c.Positions != "coded" {
		return
	}
	for i := 0; i < len(dst); i += 4 { // M is a multiple of 4
		token, at := first+i/c.Width, i%c.Width
		for j, v := range compute.Normals(c.Seed, stream(purposeCode, uint64(token)), uint64(at/4)) {
			dst[i+j] += v
		}
	}
}
