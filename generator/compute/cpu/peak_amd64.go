package cpu

// pause lets the other thread of the core go first for a moment.
//
//go:noescape
func pause()

// peakAVX512, peakAVX2 and peakBF16 do 24·n, 12·n and 24·n
// multiply-adds of whole registers.
//
//go:noescape
func peakAVX512(n int)

//go:noescape
func peakAVX2(n int)

//go:noescape
func peakBF16(n int)
