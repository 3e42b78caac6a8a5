package cpu

import "unsafe"

// tileAVX512 is tileFunc in one step, tileAVX2 a quarter of it: 4 × 16 values.
//
//go:noescape
func tileAVX512(taps, k int, a *float32, ar, ap int, b *float32, bt, bp int, c *float32, ldc int, init *float32)

//go:noescape
func tileAVX2(taps, k int, a *float32, ar, ap int, b *float32, bt, bp int, c *float32, ldc int, init *float32)

// tileQuarters is tileFunc by four calls of tileAVX2.
func tileQuarters(taps, k int, a *float32, ar, ap int, b *float32, bt, bp int, c *float32, ldc int, init *float32) {
	for i := 0; i < tileRows; i += 4 {
		ai := (*float32)(unsafe.Add(unsafe.Pointer(a), 4*i*ar))
		var start *float32
		if init != nil {
			start = (*float32)(unsafe.Add(unsafe.Pointer(init), 4*i))
		}
		for j := 0; j < tileCols; j += 16 {
			bj := (*float32)(unsafe.Add(unsafe.Pointer(b), 4*j))
			cij := (*float32)(unsafe.Add(unsafe.Pointer(c), 4*(i*ldc+j)))
			tileAVX2(taps, k, ai, ar, ap, bj, bt, bp, cij, ldc, start)
		}
	}
}

// chooseTile returns the tile that goes with the kernel of the given name.
func chooseTile(name string) tileFunc {
	switch name {
	case "avx512":
		return tileAVX512
	case "avx2":
		return tileQuarters
	}
	return tileGo
}
