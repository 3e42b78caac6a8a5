package evaluate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"rpg/onnxio"
)

// Sessions says how many ONNX Runtime sessions score the variants of a graph.
type Sessions int

const (
	// SessionsAuto takes SessionsOwn where a model sees at least ownFrom images
	// or is scored alone, and SessionsShared otherwise.
	SessionsAuto Sessions = iota
	// SessionsShared scores all variants in one session of the graph with its
	// weights as inputs: no start-up for each model, but ONNX Runtime can neither
	// fuse normalizations into convolutions nor lay weights out for the
	// processor, which makes convolutional networks two times slower.
	SessionsShared
	// SessionsOwn gives each model a session, which costs 5 to 50 ms a model
	// before the first image. The figures are exactly those of ONNX Runtime on
	// the model's file.
	SessionsOwn
)

// ownFrom is the number of images from which a session of its own takes less
// processor time, whatever the model: measured 64 for the CNN(m) of the
// fixtures, where it pays latest, and 16 for ResNet-20.
const ownFrom = 64

// ports are the names by which a model takes images and gives logits.
type ports struct {
	input, output string
	batch         int // the only batch size it takes, 0 for any
}

// checkPorts finds the input and output of m that fit the data set, or says
// which one does not.
func checkPorts(m *onnxio.Model, d *Dataset) (ports, error) {
	info := m.Info()
	if len(info.Inputs) != 1 {
		var names []string
		for _, in := range info.Inputs {
			names = append(names, fmt.Sprintf("%q", in.Name))
		}
		return ports{}, fmt.Errorf("evaluate: %s: inputs: expected one, the images, found %d: %s", m.Path, len(info.Inputs), strings.Join(names, " "))
	}
	in := info.Inputs[0]
	p := ports{input: in.Name}
	if in.DType != onnxio.Float32 && in.DType != 0 {
		return ports{}, fmt.Errorf("evaluate: %s: input %q: type: expected float32, found %v", m.Path, in.Name, in.DType)
	}
	want := inputShape(-1, d)
	if in.Shape != nil {
		if !compatible(in.Shape, want) {
			return ports{}, fmt.Errorf("evaluate: %s: input %q: shape: expected [batch %s], the images of %s, found %s",
				m.Path, in.Name, strings.Trim(fmt.Sprint(d.Shape), "[]"), d.Name, shapeText(in))
		}
		p.batch = int(max(in.Shape[0], 0))
	}
	want = []int64{-1, int64(d.Classes)}
	var found []string
	for _, out := range info.Outputs {
		if (out.DType == onnxio.Float32 || out.DType == 0) && (out.Shape == nil || compatible(out.Shape, want)) {
			p.output = out.Name
			return p, nil
		}
		found = append(found, fmt.Sprintf("%q %s", out.Name, shapeText(out)))
	}
	return ports{}, fmt.Errorf("evaluate: %s: outputs: expected float32 [batch %d], one value for each class of %s, found %s",
		m.Path, d.Classes, d.Name, strings.Join(found, ", "))
}

// inputShape is the shape of n images as network input.
func inputShape(n int, d *Dataset) ort.Shape {
	shape := ort.NewShape(int64(n))
	for _, size := range d.Shape {
		shape = append(shape, int64(size))
	}
	return shape
}

// compatible says whether a shape with -1 for "any" allows want, with the same
// sign for "any".
func compatible(shape, want []int64) bool {
	return slices.EqualFunc(shape, want, func(a, b int64) bool { return a < 0 || b < 0 || a == b })
}

func shapeText(p onnxio.Port) string {
	if p.Shape == nil {
		return p.Type
	}
	dims := make([]string, len(p.Shape))
	for i, n := range p.Shape {
		switch {
		case n >= 0:
			dims[i] = fmt.Sprint(n)
		case i < len(p.Symbols) && p.Symbols[i] != "":
			dims[i] = p.Symbols[i]
		default:
			dims[i] = "?"
		}
	}
	return fmt.Sprintf("%v [%s]", p.DType, strings.Join(dims, " "))
}

// newSessionOptions asks for one thread: the goroutines are the parallelism.
func (r *Runtime) newSessionOptions() (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(1),
		o.SetInterOpNumThreads(1),
		o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		// No thread of ours may wait by spinning, which takes cores from others.
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		o.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err == nil && r.Provider == providerCUDA {
		err = appendCUDA(o, r.GPU)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("evaluate: %w", err), o.Destroy())
	}
	return o, nil
}

// openShared makes the session that serves every variant of template, and gives
// it with the names of the weight inputs.
func openShared(template *onnxio.Model, p ports, o *ort.SessionOptions) (s *ort.DynamicAdvancedSession, names []string, err error) {
	data, names, err := template.WithWeightsAsInputs()
	if err != nil {
		return nil, nil, err
	}
	s, err = ort.NewDynamicAdvancedSessionWithONNXData(data, append([]string{p.input}, names...), []string{p.output}, o)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate: %s: ONNX Runtime does not take the graph with weights as inputs: %w", template.Path, err)
	}
	return s, names, nil
}

// openOwn makes a session for one model: from its file when v is a model on
// disk, and otherwise from the bytes of template with the values of v.
func openOwn(template *onnxio.Model, v onnxio.Values, name string, p ports, o *ort.SessionOptions) (s *ort.DynamicAdvancedSession, err error) {
	if m, ok := v.(*onnxio.Model); ok && onDisk(m) {
		s, err = ort.NewDynamicAdvancedSession(m.Path, []string{p.input}, []string{p.output}, o)
	} else {
		var model bytes.Buffer
		model.Grow(int(template.Info().Bytes)) // growing by doubling would take three times as much
		if err := onnxio.WriteTo(&model, template, v, nil); err != nil {
			return nil, fmt.Errorf("evaluate: %s: %w", name, err)
		}
		s, err = ort.NewDynamicAdvancedSessionWithONNXData(model.Bytes(), []string{p.input}, []string{p.output}, o)
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate: %s: ONNX Runtime does not take the model: %w", name, err)
	}
	return s, nil
}

// onDisk says whether m.Path is the file that m was opened from, and not the
// name of a model in memory.
func onDisk(m *onnxio.Model) bool {
	info, err := os.Stat(m.Path)
	return err == nil && info.Mode().IsRegular() && info.Size() == m.Info().Bytes
}
