package main

import (
	"fmt"
	"strings"

	"rpg/fixtures/published"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
	"rpg/tokenize"
)

// resnet20 lists the weights of the CIFAR-10 ResNet-20 (He et al. 2016, section
// 4.2) in the order of its graph, and counts their values: 271,098 with the
// running statistics of its BatchNormalizations.
func resnet20() (weights []tokenize.Weight, values int) {
	add := func(name string, role onnxio.Role, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		transform := tokenize.TransformNone
		if role == onnxio.RoleVariance {
			transform = tokenize.TransformLog
		}
		weights = append(weights, tokenize.Weight{Name: name, Role: role, Shape: shape, Elements: n, Transform: transform})
		values += n
	}
	convolution := func(name string, out, in int) {
		add(name+".weight", onnxio.RoleWeight, out, in, 3, 3)
		add(name+".norm.scale", onnxio.RoleScale, out)
		add(name+".norm.bias", onnxio.RoleBias, out)
		add(name+".norm.mean", onnxio.RoleMean, out)
		add(name+".norm.var", onnxio.RoleVariance, out)
	}
	convolution("conv1", 16, 3)
	in := 16
	for stage, out := range []int{16, 32, 64} {
		for block := range 3 {
			name := fmt.Sprintf("layer%d.%d", stage+1, block)
			convolution(name+".conv1", out, in)
			convolution(name+".conv2", out, out)
			in = out
		}
	}
	add("linear.weight", onnxio.RoleWeight, 10, in)
	add("linear.bias", onnxio.RoleBias, 10)
	return weights, values
}

// publishedWeights lists those of a published target, and counts their values.
func publishedWeights(name string) (weights []tokenize.Weight, values int) {
	for _, t := range published.Targets() {
		if t.Name != name {
			continue
		}
		for _, w := range t.Weights {
			role := onnxio.RoleWeight
			if w.Op == "BatchNormalization" && w.Input == 4 {
				role = onnxio.RoleVariance
			}
			weights = append(weights, tokenize.Weight{Name: w.Name, Role: role, Shape: w.Dims, Elements: w.Values(), Transform: tokenize.TransformNone})
		}
		values = t.Values()
	}
	return weights, values
}

// normalZoo is a zoo of so many models with these weights, all of whose tokens
// are normal numbers, in a block that comes again and again: what a step costs does not
// depend on them.
func normalZoo(weights []tokenize.Weight, c generator.Config, models int) *generator.Zoo {
	t := &tokenize.Tokenizer{
		Layout: tokenize.Layout{Version: tokenize.LayoutVersion, TokenDim: c.TokenDim, Granularity: c.Granularity,
			Signature: strings.Repeat("0", 64)},
		Stats: tokenize.Stats{Method: c.Stats, Models: models},
	}
	for _, w := range weights {
		w.First, w.Tokens = t.Layout.Tokens(), (w.Elements+c.TokenDim-1)/c.TokenDim
		s := tokenize.WeightStats{Std: 1}
		if w.Role == onnxio.RoleVariance && c.Stats == tokenize.StatsPaper {
			w.Transform, s.Center = tokenize.TransformPaperLog, 1
		}
		t.Layout.Weights, t.Stats.Weights = append(t.Layout.Weights, w), append(t.Stats.Weights, s)
	}
	z := &generator.Zoo{Tokenizer: t, Count: models, Tokens: make([]float32, models*t.Layout.Tokens()*c.TokenDim)}
	block := make([]float32, 1<<20)
	for i := 0; i < len(block); i += 4 {
		n := compute.Normals(1, 0, uint64(i/4))
		copy(block[i:], n[:])
	}
	for rest := z.Tokens; len(rest) > 0; {
		rest = rest[copy(rest, block):]
	}
	for i := range models {
		z.Sources = append(z.Sources, fmt.Sprint("normal numbers ", i))
	}
	return z
}
