package cuda

import (
	"unsafe"

	"rpg/generator/compute"
)

// errFewValues is the constant text of a programmer error.
const errFewValues = "compute: batch statistics need two values a channel"

// Mirrors of the structs in rpg.h.
type (
	signals struct {
		data    uint64
		stride  int64
		rounded int32
	}
	batchNormArgs struct {
		scale, bias                           uint64
		eps, momentum                         float32
		mean, invStd, runningMean, runningVar uint64
		dscale, dbias, along, level           uint64
	}
	convLayerArgs struct {
		tokens, in, out, k, d  int64
		x, skip, y             signals
		xNorm, skipNorm, yNorm batchNormArgs
		cond, time, w          matrix
		bias, packed           uint64
		elu                    int32
	}
	convLayerBackwardArgs struct {
		of           convLayerArgs
		dy, dx, raw  signals
		dcond, dtime matrix
		dw           matrix
		dbias        uint64
		addDX        int32
	}
)

func (d *device) ConvLayer(a compute.ConvLayer) {
	if a.YNorm != nil && a.Tokens*a.D < 2 {
		panic(errFewValues)
	}
	args := d.convLayer(a)
	args.inputs(d, a)
	args.y = d.signalsOut(a.Y, a.Tokens, a.Out*a.D)
	args.bias, args.packed = d.vals(a.Bias, a.Out), d.optional(a.Packed, length(a.Packed))
	if args.packed == 0 {
		args.w = d.weights(a.W, a)
	}
	if n := a.YNorm; n != nil {
		args.yNorm = d.batchNorm(n, a.Out)
		args.yNorm.runningMean, args.yNorm.runningVar = d.vals(n.RunningMean, a.Out), d.vals(n.RunningVar, a.Out)
	}
	if a.ELU {
		args.elu = 1
	}
	launch(d, "rpg_conv_layer", args)
}

// PackConvLayer returns the weights as the kernels take them.
func (d *device) PackConvLayer(a compute.ConvLayer) compute.Buffer {
	args := d.convLayer(a)
	args.w = d.weights(a.W, a)
	var size uint64
	if d.failure == nil {
		d.keep(d.call("rpg_packed_bytes", uintptr(unsafe.Pointer(&args)), uintptr(unsafe.Pointer(&size))))
	}
	packed := buffer{d.alloc(int((size+valueBytes-1)/valueBytes), valueBytes)}
	if d.failure == nil {
		d.keep(d.call("rpg_pack_conv_layer", uintptr(unsafe.Pointer(&args)), uintptr(packed.address)))
	}
	return packed
}

func (d *device) ConvLayerBackward(a compute.ConvLayerBackward) {
	args := convLayerBackwardArgs{of: d.convLayer(a.ConvLayer), dy: d.signals(a.DY, a.Tokens, a.Out*a.D)}
	args.of.w = d.weights(a.W, a.ConvLayer)
	args.of.time = d.input(a.Time, a.Tokens, a.D)
	if a.DX.Data != nil {
		args.dx = d.signalsOut(a.DX, a.Tokens, a.In*a.D)
	}
	if a.AddDX {
		args.addDX = 1
	}
	if n := a.YNorm; n != nil {
		args.of.y = d.signals(a.Y, a.Tokens, a.Out*a.D)
		args.of.yNorm = d.batchNorm(n, a.Out)
		args.of.yNorm.along, args.of.yNorm.level = d.vals(n.Along, a.Out), d.vals(n.Level, a.Out)
		if a.Raw.Data != nil {
			args.raw = d.signalsOut(a.Raw, a.Tokens, a.Out*a.D)
		}
	}
	sums := a.XNorm != nil && a.XNorm.DScale != nil
	if a.DW != nil {
		args.of.inputs(d, a.ConvLayer)
		args.dcond, args.dtime = d.output(a.DCond, a.Tokens, a.D), d.output(a.DTime, a.Tokens, a.D)
		args.dw, args.dbias = d.weights(a.DW, a.ConvLayer), d.vals(a.DBias, a.Out)
	} else if sums {
		args.of.x, args.of.xNorm = d.signals(a.X, a.Tokens, a.In*a.D), d.batchNorm(a.XNorm, a.In)
	}
	if sums {
		n, x := a.XNorm, &args.of.xNorm
		x.dscale, x.dbias = d.vals(n.DScale, a.In), d.vals(n.DBias, a.In)
		x.along, x.level = d.vals(n.Along, a.In), d.vals(n.Level, a.In)
	}
	launch(d, "rpg_conv_layer_backward", args)
}

// convLayer holds a's sizes, checked.
func (d *device) convLayer(a compute.ConvLayer) convLayerArgs {
	if a.Tokens < 0 || a.In < 1 || a.Out < 1 || a.D < 1 || a.K < 1 || a.K%2 == 0 {
		panic(errShape)
	}
	return convLayerArgs{tokens: int64(a.Tokens), in: int64(a.In), out: int64(a.Out), k: int64(a.K), d: int64(a.D)}
}

// weights is W or DW as a matrix [Out, In·K].
func (d *device) weights(w compute.Buffer, a compute.ConvLayer) matrix {
	cols := a.In * a.K
	return matrix{d.vals(w, a.Out*cols), int64(a.Out), int64(cols), int64(cols)}
}

// inputs adds what g is made of.
func (args *convLayerArgs) inputs(d *device, a compute.ConvLayer) {
	args.x = d.signals(a.X, a.Tokens, a.In*a.D)
	args.cond, args.time = d.input(a.Cond, a.Tokens, a.D), d.input(a.Time, a.Tokens, a.D)
	if a.XNorm != nil {
		args.xNorm = d.batchNorm(a.XNorm, a.In)
	}
	if a.Skip.Data != nil {
		args.skip = d.signals(a.Skip, a.Tokens, a.In*a.D)
		if a.SkipNorm != nil {
			args.skipNorm = d.batchNorm(a.SkipNorm, a.In)
		}
	}
}

// signals is m, which may be rounded, for the library; it must be rows × cols and may
// repeat a row.
func (d *device) signals(m compute.Matrix, rows, cols int) signals {
	check(m, rows, cols)
	r := d.either(m.Data, length(m.Data))
	s := signals{data: r.address, stride: int64(m.Stride)}
	if r.bytes == roundedBytes {
		s.rounded = 1
	}
	return s
}

// signalsOut is signals for m that must not repeat a row.
func (d *device) signalsOut(m compute.Matrix, rows, cols int) signals {
	if m.Stride < cols {
		panic(errShape)
	}
	return d.signals(m, rows, cols)
}

// batchNorm holds what N needs.
func (d *device) batchNorm(n *compute.BatchNorm, channels int) batchNormArgs {
	return batchNormArgs{scale: d.vals(n.Scale, channels), bias: d.vals(n.Bias, channels),
		eps: n.Eps, momentum: n.Momentum, mean: d.vals(n.Mean, channels), invStd: d.vals(n.InvStd, channels)}
}
