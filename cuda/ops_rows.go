package cuda

import "rpg/generator/compute"

// Mirrors of the structs in rpg.h, whose comments say what the operations do.
type (
	columnSumsArgs struct {
		dst uint64
		x   matrix
	}
	gatherArgs struct {
		dst, src matrix
		rows     uint64
		beta     int32
	}
	scatterAddArgs struct {
		dst, src matrix
		rows     uint64
	}
)

func (d *device) ColumnSums(dst compute.Buffer, x compute.Matrix) {
	launch(d, "rpg_column_sums", columnSumsArgs{d.vals(dst, x.Cols), d.input(x, x.Rows, x.Cols)})
}

// Gather and ScatterAdd cannot look at row numbers without waiting for the GPU:
// numbers out of range fail the next Sync or Download.
func (d *device) Gather(dst, src compute.Matrix, rows compute.Ints, beta float32) {
	if beta != 0 && beta != 1 {
		panic(errBeta)
	}
	launch(d, "rpg_gather", gatherArgs{d.output(dst, dst.Rows, src.Cols), d.input(src, src.Rows, src.Cols),
		d.whole(rows, dst.Rows), int32(beta)})
}

func (d *device) ScatterAdd(dst, src compute.Matrix, rows compute.Ints) {
	launch(d, "rpg_scatter_add", scatterAddArgs{d.output(dst, dst.Rows, src.Cols), d.input(src, src.Rows, src.Cols),
		d.whole(rows, src.Rows)})
}
