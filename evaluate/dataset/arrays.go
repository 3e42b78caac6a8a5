package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rpg/evaluate/picture"
	"rpg/internal/npy"
)

// The names under which a .npz file may have its images and labels.
func imageNames() []string { return []string{"images", "x_test", "x", "data"} }
func labelNames() []string { return []string{"labels", "y_test", "y", "targets"} }

// openArrays reads images and labels from a .npz file that holds both, or a .npy
// file of images beside one of labels.
func openArrays(o Options) (*Set, error) {
	data, err := os.ReadFile(o.Path)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	arrays, err := npy.Parse(o.Path, data)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	images, err := pickArray(o.Path, arrays, "images", imageNames())
	if err != nil {
		return nil, err
	}
	labelFile, labelled := o.Path, arrays
	hash := sha256.New()
	hash.Write(data)
	if _, single := arrays[""]; single || o.Labels != "" {
		if labelFile = o.Labels; labelFile == "" {
			labelFile = filepath.Join(filepath.Dir(o.Path), "labels.npy")
		}
		data, err := os.ReadFile(labelFile)
		if err != nil {
			return nil, fmt.Errorf("evaluate: %s: expected the labels of these images: %w", o.Path, err)
		}
		hash.Write(data)
		if labelled, err = npy.Parse(labelFile, data); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	labels, err := pickArray(labelFile, labelled, "labels", labelNames())
	if err != nil {
		return nil, err
	}
	s := &Set{Name: strings.TrimSuffix(filepath.Base(o.Path), filepath.Ext(o.Path)), Source: o.Path,
		SHA256: hex.EncodeToString(hash.Sum(nil)), bad: &badList{}, damaged: &badList{}}
	if err := s.takeLabels(labelFile, labels, o.Classes); err != nil {
		return nil, err
	}
	if len(images.Shape) < 2 || images.Shape[0] != s.Count {
		return nil, fmt.Errorf("evaluate: %s: images: expected %d, as many as labels, found shape %v", o.Path, s.Count, images.Shape)
	}
	return s, s.takeImages(images, o)
}

func pickArray(file string, arrays map[string]*npy.Array, what string, names []string) (*npy.Array, error) {
	if a, ok := arrays[""]; ok {
		return a, nil
	}
	var found []string
	for name := range arrays {
		found = append(found, name)
	}
	for _, name := range names {
		if a, ok := arrays[name]; ok {
			return a, nil
		}
	}
	slices.Sort(found)
	return nil, fmt.Errorf("evaluate: %s: %s: expected an array named %s, found %s", file, what, strings.Join(names, " or "), strings.Join(found, " "))
}

func (s *Set) takeLabels(file string, a *npy.Array, classes int) error {
	values, err := a.Ints()
	if err != nil {
		return fmt.Errorf("evaluate: %s: labels: %w", file, err)
	}
	if len(a.Shape) == 0 || a.Shape[0] != len(values) || len(values) == 0 {
		return fmt.Errorf("evaluate: %s: labels: expected one number an image, found shape %v", file, a.Shape)
	}
	limit := maxClasses
	if classes > 0 {
		limit = classes
	}
	for i, v := range values {
		if v < 0 || v >= limit {
			return fmt.Errorf("evaluate: %s: label %d: expected 0 to %d, found %d", file, i, limit-1, v)
		}
		s.Labels = append(s.Labels, uint16(v))
	}
	s.Count = len(values)
	if s.Classes = classes; classes == 0 {
		s.Classes = slices.Max(values) + 1
	}
	return nil
}

// takeImages fits [n, ...] images to the model's input.
func (s *Set) takeImages(a *npy.Array, o Options) error {
	shape, channelsLast, err := fit(a.Shape[1:], o.Shape)
	if err != nil {
		return fmt.Errorf("evaluate: %s: images: %w", o.Path, err)
	}
	bytes := a.DType == "u1"
	p := o.preprocess(func() picture.Preprocess {
		if bytes {
			return picture.Bytes()
		}
		return picture.None()
	}, s)
	pixels := 1
	for _, d := range shape {
		pixels *= d
	}
	s.Shape = shape
	s.Preprocess = fmt.Sprintf("%v, input %v", p, shape)
	if s.scaling, err = newScaling(p, shape); err != nil {
		return err
	}
	if bytes {
		r := &rows{source: o.Path}
		for i := range s.Count {
			r.images = append(r.images, planes(a.Data[i*pixels:(i+1)*pixels], shape, channelsLast))
		}
		if len(shape) == 3 {
			r.channels, r.height, r.width = shape[0], shape[1], shape[2]
			if p.Resizes() {
				return s.useRows(p.ForModel(shape[1], shape[2]), r)
			}
		}
		s.images = r
		return nil
	}
	if p.Resizes() {
		return fmt.Errorf("evaluate: %s: images: expected bytes (uint8) for --preprocess %s, which resizes, found type %s", o.Path, p.Name, a.DType)
	}
	values := a.Floats()
	f := &floats{source: o.Path, values: make([]float32, len(values))}
	for i := range s.Count {
		f.index = append(f.index, i)
		s.scaling.floats(f.values[i*pixels:(i+1)*pixels], planes(values[i*pixels:(i+1)*pixels], shape, channelsLast))
	}
	s.images = f
	return nil
}

// fit gives the shape in which a model takes images of shape stored: the same;
// or channels before rows instead of after columns; or any with as many values.
// A size of the model's of -1 fits all. Without a model's shape it is stored.
func fit(stored, model []int) (shape []int, channelsLast bool, err error) {
	if model == nil {
		return stored, false, nil
	}
	if fits(stored, model) {
		return stored, false, nil
	}
	if len(stored) == 3 {
		if first := []int{stored[2], stored[0], stored[1]}; fits(first, model) {
			return first, true, nil
		}
	}
	have, want := 1, 1
	for _, n := range stored {
		have *= n
	}
	free := -1
	for i, n := range model {
		if n < 0 {
			free = i
			continue
		}
		want *= n
	}
	shape = slices.Clone(model)
	if free >= 0 && want > 0 && have%want == 0 {
		shape[free], want = have/want, have
	}
	if have != want || slices.Contains(shape, -1) {
		return nil, false, fmt.Errorf("shape: expected %v, the model's input, or as many values, found %v", model, stored)
	}
	return shape, false, nil
}

func fits(stored, model []int) bool {
	return slices.EqualFunc(stored, model, func(a, b int) bool { return b < 0 || a == b })
}

// planes gives an image with its channels one after the other.
func planes[T byte | float32](values []T, shape []int, channelsLast bool) []T {
	if !channelsLast {
		return values
	}
	channels, plane := shape[0], shape[1]*shape[2]
	out := make([]T, len(values))
	for p := range plane {
		for c := range channels {
			out[c*plane+p] = values[p*channels+c]
		}
	}
	return out
}
