package computetest

import "slices"

// operations lists all operations, in the order of compute.Device.
func operations() []Operation {
	convs := slices.Concat(convLayerCases, roundedConvLayerCases)
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
		convLayer(convs), convLayerBackward(convs),
		timeFeatures(), normal(), normalRows(), diffuse(), maskedMSE(),
		squaredSum(), adamW(), adamW8(), ema(),
	}
}
