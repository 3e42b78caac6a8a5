package computetest

// operations lists all operations, in the order of compute.Device.
func operations() []Operation {
	return []Operation{
		zero(), copies(), add(), combine(),
		gemm(), columnSums(),
		silu(), siluBackward(),
		gather(), scatterAdd(),
		causalConv(), causalConvBackward(),
		ssd(), ssdBackward(),
		gatedRMSNorm(), gatedRMSNormBackward(),
		lstm(), lstmBackward(),
		attention(), attentionBackward(),
		layerNorm(), layerNormBackward(),
		gateAdd(), gateAddBackward(),
		convLayer(), convLayerBackward(),
		timeFeatures(), normal(), normalRows(), diffuse(), maskedMSE(),
		squaredSum(), adamW(), adamW8(), ema(),
	}
}
