package picture

import "image"

// webpRow converts row y of a lossy WebP picture as libwebp does: colour upsampled
// with weights 9, 3, 3, 1 of 16 (src/dsp/upsampling.c) and the broadcast range of
// luma stretched (src/dsp/yuv.h). The standard library does neither.
func webpRow(out []byte, m *image.YCbCr, y int) {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	cw, ch := (width+1)/2, (height+1)/2
	near := y >> 1
	far := near - 1
	if y&1 == 1 {
		far = near + 1
	}
	far = min(max(far, 0), ch-1)
	cb0, cb1 := m.Cb[near*m.CStride:][:cw], m.Cb[far*m.CStride:][:cw]
	cr0, cr1 := m.Cr[near*m.CStride:][:cw], m.Cr[far*m.CStride:][:cw]
	luma := m.Y[y*m.YStride:][:width]
	for x, l := range luma {
		k := x >> 1
		side := k - 1
		if x&1 == 1 {
			side = k + 1
		}
		side = min(max(side, 0), cw-1)
		u := webpMix(cb0[k], cb0[side], cb1[k], cb1[side])
		v := webpMix(cr0[k], cr0[side], cr1[k], cr1[side])
		luma := int(l) * 19077 >> 8
		out[3*x] = webpClip(luma + v*26149>>8 - 14234)
		out[3*x+1] = webpClip(luma - u*6419>>8 - v*13320>>8 + 8708)
		out[3*x+2] = webpClip(luma + u*33050>>8 - 17685)
	}
}

// webpMix is (9 a + 3 b + 3 c + d + 8) / 16 with the two roundings of libwebp.
func webpMix(a, b, c, d byte) int {
	sum := int(a) + int(b) + int(c) + int(d) + 8
	return (int(a) + (sum+2*(int(b)+int(c)))>>3) >> 1
}

func webpClip(v int) byte {
	if v&^(1<<14-1) == 0 {
		return byte(v >> 6)
	}
	if v < 0 {
		return 0
	}
	return 255
}
