// Package generator learns to generate the weight tokens of a zoo of models by
// recurrent diffusion (RPG, arXiv 2501.11587) and samples new ones.
//
// It knows tokens, not models: tokenize turns ONNX weights into tokens, and a
// compute.Device, handed in by the caller, does the arithmetic.
//
// Read in this order:
//
//	config.go      what can be set, and where each value came from; presets.go
//	params.go      all parameters in one flat buffer
//	linear.go      the one dense layer
//	positions.go   what tells the tokens apart
//	recurrent.go   positions and states -> prototypes z; what a layer is
//	mamba.go       a Mamba-2 layer, forward and backward; lstm.go, transformer.go and
//	               gated.go the other ones
//	input.go       the first layer and its input; embedding.go that of a Mamba-2
//	denoiser.go    what a denoiser is; its embedding of time
//	mlp.go         the denoiser of preset fast; conv.go the published one
//	diffusion.go   schedule, samplers as linear steps
//	train.go       one training step; windows.go how it takes long sequences;
//	               loop.go all of them
//	optimizer.go   AdamW and its states
//	sample.go      prototypes, noise, denoising, in windows of tokens
//	groups.go      models in groups, each made while the one before is used
//	plan.go        what a training will cost, before it begins
//	run.go         the run folder and its lock; checkpoint.go what is saved in it,
//	               stored.go how; reading.go how it is read
//
// # Letters
//
//	N  models in a batch                D  token width
//	L  tokens in a model's sequence     M  width of the recurrent model
//	H  heads of width P, H·P = 2M, in a transformer M
//	S  state size
//	K  kernel width                     C  channels
//	T  diffusion steps, t in 0..T-1     W  width of the mlp denoiser
//	d + name  gradient
//
// Layers are written once, forward and backward side by side. Every random
// number is a pure function of (seed, purpose, step, index), so a run that was
// stopped and resumed equals one that never stopped, bit for bit.
package generator
