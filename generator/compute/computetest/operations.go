package computetest

// operations lists all operations, in the order of compute.Device.
func operations() []Operation {
	return []Operation{
		silu(), siluBackward(),
		causalConv(), causalConvBackward(),
		gatedRMSNorm(), gatedRMSNormBackward(),
		convLayer(), convLayerBackward(),
		batchNormELU(), batchNormELUBackward(),
	}
}
