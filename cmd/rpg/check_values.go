package main

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"rpg/onnxio"
)

// checkedValues is how many values are in memory at once.
const checkedValues = 1 << 16

// checkValues reads every value of every floating-point tensor and names, once
// for each tensor, what may not be there: in weights NaN, infinities, and
// variances below zero; in all others NaN. (Infinite constants are right: masks
// of attention have them.) The error is that of being stopped.
func (s *session) checkValues(m *onnxio.Model) ([]problem, error) {
	weights := map[string]bool{}
	for _, w := range m.Weights() {
		weights[place(w)] = true
	}
	// The same file with every tensor that can be read like a weight as one. In
	// a file without any, the pattern has nothing to include.
	if all, err := onnxio.OpenWith(m.Path, s.limits); err == nil {
		defer all.Close()
		if all.Select(onnxio.Selection{Include: []string{"*"}}) == nil {
			m = all
		}
	}
	var found []problem
	buffer := make([]float32, checkedValues)
	for i, w := range m.Weights() {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		if what := checkTensor(m, i, buffer, weights[place(w)]); what != "" {
			found = append(found, problem{w.Name, what})
		}
	}
	return found, nil
}

// place tells tensors of one file apart, also those of one name.
func place(t *onnxio.Tensor) string {
	return fmt.Sprint(t.Name, "\x00", t.Stored, t.Op, t.Slot, t.Shape)
}

// checkTensor reads weight i and gives the first thing that is wrong with its values.
func checkTensor(m *onnxio.Model, i int, buffer []float32, isWeight bool) string {
	w := m.Weights()[i]
	for off := 0; off < w.Elements; off += len(buffer) {
		values := buffer[:min(len(buffer), w.Elements-off)]
		if err := m.ReadValues(i, values, off); err != nil {
			if !isWeight && errors.Is(err, onnxio.ErrNotFinite) {
				return "" // a float64 beyond float32, such as the -1.8e308 of a mask
			}
			return plain(err)
		}
		for e, v := range values {
			x := float64(v)
			switch {
			case math.IsNaN(x) || isWeight && math.IsInf(x, 0):
				return fmt.Sprintf("element %d, index %s: expected a finite value, found %v", off+e, indexOf(off+e, w.Shape), v)
			case isWeight && w.Role == onnxio.RoleVariance && x < 0:
				return fmt.Sprintf("element %d, index %s: expected a variance of 0 or more, found %v", off+e, indexOf(off+e, w.Shape), v)
			}
		}
	}
	return ""
}

// indexOf is the index of an element of a tensor, as [1,0,2].
func indexOf(element int, shape []int) string {
	index := slices.Clone(shape)
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = element % shape[d]
		element /= shape[d]
	}
	return shapeOf(index)
}
