package cuda

import "rpg/generator/compute"

// gemmArgs mirrors struct rpg_gemm in rpg.h.
type gemmArgs struct {
	c, a, b              matrix
	bias                 uint64
	transA, transB, beta int32
	roundedB             int32
}

func (d *device) Gemm(c, a, b compute.Matrix, transA, transB bool, beta float32, bias compute.Buffer) {
	if beta != 0 && beta != 1 {
		panic(errBeta)
	}
	k := a.Cols
	if transA {
		k = a.Rows
	}
	x := gemmArgs{bias: d.optional(bias, c.Cols), beta: int32(beta)}
	x.c = d.output(c, c.Rows, c.Cols)
	if transA {
		x.a, x.transA = d.input(a, k, c.Rows), 1
	} else {
		x.a = d.input(a, c.Rows, k)
	}
	if transB {
		check(b, c.Cols, k)
		x.transB = 1
	} else {
		check(b, k, c.Cols)
	}
	r := d.either(b.Data, length(b.Data))
	x.b = matrix{r.address, int64(b.Rows), int64(b.Cols), int64(b.Stride)}
	if r.bytes == roundedBytes {
		x.roundedB = 1
	}
	launch(d, "rpg_gemm", x)
}
