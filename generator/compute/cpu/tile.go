package cpu

import "unsafe"

// The size of a tile of a convolution.
const (
	tileRows = 8
	tileCols = 32
)

// tileFunc computes one tile of a convolution from operands that are not packed:
//
//	C[r,j] = init[r] + Σ_{t<taps} Σ_{p<k} A[r·ar + (t·k+p)·ap]·B[t·bt + p·bp + j]
//
// for r < tileRows and j < tileCols; rows of C are ldc apart. Without init the
// sum is added to the old C. taps and k are at least 1.
//
// In a convolution a tap is a shift of the signal: B is the same rows of
// channels, read bt values farther for each tap.
type tileFunc func(taps, k int, a *float32, ar, ap int, b *float32, bt, bp int, c *float32, ldc int, init *float32)

// tileGo is the portable tile.
func tileGo(taps, k int, a *float32, ar, ap int, b *float32, bt, bp int, c *float32, ldc int, init *float32) {
	as := unsafe.Slice(a, (tileRows-1)*ar+(taps*k-1)*ap+1)
	bs := unsafe.Slice(b, (taps-1)*bt+(k-1)*bp+tileCols)
	cs := unsafe.Slice(c, (tileRows-1)*ldc+tileCols)
	for r := range tileRows {
		var sum [tileCols]float32
		if init != nil {
			start := unsafe.Slice(init, tileRows)[r]
			for j := range sum {
				sum[j] = start
			}
		} else {
			copy(sum[:], cs[r*ldc:])
		}
		at := r * ar
		for t := range taps {
			for p := range k {
				v, row := as[at], bs[t*bt+p*bp:][:tileCols]
				for j, w := range row {
					sum[j] += v * w
				}
				at += ap
			}
		}
		copy(cs[r*ldc:], sum[:])
	}
}
