package compute

// Buffer is a run of float32 values in a device's memory, or of values that are
// kept rounded: see Device.AllocRounded. Slices share memory with the buffer they
// were cut from.
type Buffer interface {
	Len() int
	// Slice returns the values lo..hi-1. It panics when they are out of range.
	Slice(lo, hi int) Buffer
}

// Ints is a run of int32 values in a device's memory.
type Ints interface {
	Len() int
	Slice(lo, hi int) Ints
}

// Matrix is a row-major view of a buffer: element (i, j) is
// Data[i*Stride+j]. A Stride of 0 repeats one row (inputs only, where the
// operation allows it). The zero Matrix means "absent" where allowed.
type Matrix struct {
	Data       Buffer
	Rows, Cols int
	Stride     int
}

// MatrixOf views a whole buffer as rows × cols. It panics when the sizes differ.
func MatrixOf(b Buffer, rows, cols int) Matrix {
	if b.Len() != rows*cols {
		panic("compute: matrix does not fill its buffer")
	}
	return Matrix{Data: b, Rows: rows, Cols: cols, Stride: cols}
}

// Columns views columns lo..hi-1 of m.
func (m Matrix) Columns(lo, hi int) Matrix {
	if lo < 0 || hi > m.Cols || lo > hi {
		panic("compute: columns out of range")
	}
	end := (m.Rows-1)*m.Stride + hi
	return Matrix{Data: m.Data.Slice(lo, end), Rows: m.Rows, Cols: hi - lo, Stride: m.Stride}
}

// RowRange views rows lo..hi-1 of m.
func (m Matrix) RowRange(lo, hi int) Matrix {
	if lo < 0 || hi > m.Rows || lo >= hi {
		panic("compute: rows out of range")
	}
	end := (hi-1)*m.Stride + m.Cols
	return Matrix{Data: m.Data.Slice(lo*m.Stride, end), Rows: hi - lo, Cols: m.Cols, Stride: m.Stride}
}

// Info describes a device for people.
type Info struct {
	Kind       string // "cpu" or "cuda"
	Name       string // e.g. "AMD EPYC 9B14, 2 threads, AVX-512"
	Threads    int    // worker threads (CPU)
	Memory     int64  // bytes of device memory, 0 when unknown
	Processors int    // multiprocessors (GPU)
	BF16       bool   // AllocRounded keeps bf16
}

// Device runs the operations. Its methods are called from one goroutine.
type Device interface {
	Info() Info
	// Alloc returns n zeroed values; AllocInts n zeroed integers.
	Alloc(n int) Buffer
	AllocInts(n int) Ints
	// AllocRounded is Alloc for values that may be kept as bf16, each rounded to the
	// nearest, ties to even, when it is written: a device that computes in bf16 may
	// do so, others keep float32. Upload and Download take such a buffer, and the
	// operations that say so, for the arguments that they name.
	AllocRounded(n int) Buffer
	// Unrounded is the memory of a whole buffer of AllocRounded as float32 values:
	// as many, or half of them where it is kept as bf16.
	Unrounded(b Buffer) Buffer
	// Upload copies src into dst (equal lengths); src may be reused at once.
	Upload(dst Buffer, src []float32)
	UploadInts(dst Ints, src []int32)
	// Download waits for all work and copies src into dst. The error is the
	// device's first failure since it was opened.
	Download(dst []float32, src Buffer) error
	DownloadInts(dst []int32, src Ints) error
	// Sync waits for all work and returns the device's first failure.
	Sync() error
	// Close frees all memory.
	Close() error

	// Zero: x = 0. Copy: dst = src, and dst may be a buffer of AllocRounded. Add: y += x.
	Zero(x Buffer)
	Copy(dst, src Buffer)
	Add(y, x Buffer)
	// Combine: dst = a·x + b·y + c·z, element by element. y and z may be nil.
	// dst may be x, y or z.
	Combine(dst Buffer, a float32, x Buffer, b float32, y Buffer, c float32, z Buffer)

	// Gemm: C = beta·C + op(A)·op(B) + bias, with op(A) [C.Rows, k] and op(B)
	// [k, C.Cols]; bias [C.Cols] is added to every row, nil for none.
	// beta is 0 or 1; with 0 the old C is not read. B may be in a buffer of
	// AllocRounded.
	Gemm(c, a, b Matrix, transA, transB bool, beta float32, bias Buffer)
	// ColumnSums: dst[j] += Σ_i x[i,j].
	ColumnSums(dst Buffer, x Matrix)

	// SiLU: y = x/(1+exp(-x)), which may be in place. SiLUBackward:
	// dx = dy·SiLU'(x); dx may be dy.
	SiLU(y, x Buffer)
	SiLUBackward(dx, dy, x Buffer)

	// Gather: dst[i,:] = beta·dst[i,:] + src[rows[i],:], beta 0 or 1.
	// ScatterAdd: dst[rows[i],:] += src[i,:] for i = 0, 1, … in this order.
	// Rows out of range are a programmer error.
	Gather(dst, src Matrix, rows Ints, beta float32)
	ScatterAdd(dst, src Matrix, rows Ints)

	// CausalConv, SSD and GatedRMSNorm are the three parts of a Mamba-2 layer
	// that are not matrix products.
	CausalConv(a CausalConv)
	CausalConvBackward(a CausalConvBackward)
	SSD(a SSD)
	SSDBackward(a SSDBackward)
	// GatedRMSNorm: g = x·SiLU(z); y = g / sqrt(mean(g²)+eps) · w, row by row.
	// Backward overwrites dx and dz and accumulates dw.
	GatedRMSNorm(y, x, z Matrix, w Buffer, eps float32)
	GatedRMSNormBackward(dx, dz Matrix, dw Buffer, dy, x, z Matrix, w Buffer, eps float32)

	// LSTM and Attention are what mixes the tokens in the other recurrent models.
	LSTM(a LSTM)
	LSTMBackward(a LSTMBackward)
	Attention(a Attention)
	AttentionBackward(a AttentionBackward)

	// LayerNorm: n = (x-mean)/sqrt(var+eps) over each row (biased variance);
	// y = n·(1+scale) + shift. shift and scale are both absent or both present,
	// one row for each row of x.
	// Backward ADDS to dx, overwrites dshift and dscale.
	LayerNorm(y, x, shift, scale Matrix, eps float32)
	LayerNormBackward(dx, dshift, dscale, dy, x, scale Matrix, eps float32)
	// GateAdd: y = h + r·u element by element (a gated residual). y may be h.
	// Backward: du = r·dy, dr = u·dy (dh is dy itself).
	GateAdd(y, h, u, r Matrix)
	GateAddBackward(du, dr, dy, u, r Matrix)

	// ConvLayer is a layer of the published denoiser.
	// PackConvLayer returns what ConvLayer makes of the weights W, which then
	// must not change, for ConvLayer.Packed of layers with the same In, Out, K
	// and D. It may be nil, and takes memory beside what Alloc gives.
	ConvLayer(a ConvLayer)
	PackConvLayer(a ConvLayer) Buffer
	ConvLayerBackward(a ConvLayerBackward)

	// TimeFeatures: with F = y.Cols/2 and f_k = 10000^(-k/F), row i of y is
	// [cos(t_i f_0) … cos(t_i f_{F-1}), sin(t_i f_0) … sin(t_i f_{F-1})].
	TimeFeatures(y Matrix, t Buffer)
	// Normal fills dst with standard normal numbers: value i depends on seed,
	// stream and i only (see Normals), the same on every device within 1e-6
	// relative.
	Normal(dst Buffer, seed, stream uint64)
	// NormalRows: row i of dst is Normal of a seed and a stream of its own: the
	// stream is offset plus that of keys, [4·dst.Rows], which has the seed and the
	// stream of each row, low words first (see RowKey).
	NormalRows(dst Matrix, keys Ints, offset uint64)
	// Diffuse: xt[i] = a_i·x0[i] + b_i·eps[i], and the training target:
	// eps, v = a·eps - b·x0, or x0.
	Diffuse(xt, target, x0, eps Matrix, a, b Buffer, p Prediction)
	// MaskedMSE: with V = Σ valid_i, loss[0] = Σ_{i, j<valid_i}
	// (pred-target)²/V, dpred = 2(pred-target)/V there and 0 elsewhere.
	// The sum is taken in float64. With V = 0 all of it is 0, and values that are
	// not valid are not read.
	MaskedMSE(loss Buffer, dpred, pred, target Matrix, valid Ints)

	// SquaredSum: dst[0] = Σ x², summed in float64.
	SquaredSum(dst Buffer, x Buffer)
	// AdamW updates parameters in place; see AdamW for the formula. AdamW8 has
	// states of 8 bits.
	AdamW(a AdamW)
	AdamW8(a AdamW8)
	// EMA: ema = decay·ema + (1-decay)·p.
	EMA(ema, p Buffer, decay float32)
}
