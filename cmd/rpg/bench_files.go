package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rpg/evaluate"
	"rpg/fixtures"
	"rpg/onnxio"
)

// benchEvaluate scores embedded checkpoints on the embedded images.
func (s *session) benchEvaluate(m machine) ([]benchRow, error) {
	const models = 4
	data, err := evaluate.CIFAR10FromBytes("embedded images", fixtures.Images())
	if err != nil {
		return nil, err
	}
	var values []onnxio.Values
	for _, name := range fixtures.ZooNames()[:models] {
		model, err := embeddedModel(name)
		if err != nil {
			return nil, err
		}
		values = append(values, model)
	}
	rt, err := s.openRuntime()
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	var rows []benchRow
	for _, b := range []struct {
		name     string
		sessions evaluate.Sessions
	}{{"evaluate own", evaluate.SessionsOwn}, {"evaluate shared", evaluate.SessionsShared}} {
		scorer, err := rt.NewScorer(values[0].(*onnxio.Model), data, evaluate.ScorerOptions{Threads: m.threads, Sessions: b.sessions})
		if err != nil {
			return nil, err
		}
		seconds, err := repeat(5, func() error {
			_, err := scorer.Score(s.ctx, values, nil)
			return err
		})
		scorer.Close()
		if err != nil {
			return nil, err
		}
		rows = append(rows, benchRow{Name: b.name, Shape: fmt.Sprintf("%d CNN(m) x %d images", models, data.Count),
			Value: float64(models*data.Count) / seconds, Unit: "images/s"})
	}
	return rows, nil
}

// embeddedModel opens a checkpoint of the embedded zoo.
func embeddedModel(name string) (*onnxio.Model, error) {
	data, err := fs.ReadFile(fixtures.Zoo(), name)
	if err != nil {
		return nil, err
	}
	return onnxio.Parse(name, bytes.NewReader(data), int64(len(data)))
}

// repeat gives the median time of n runs of work, after one that warms up.
func repeat(n int, work func() error) (seconds float64, err error) {
	var times []float64
	for i := range n + 1 {
		begun := time.Now()
		if err := work(); err != nil {
			return 0, err
		}
		if i > 0 {
			times = append(times, time.Since(begun).Seconds())
		}
	}
	return middle(times), nil
}

// benchIO writes, streams and reads an embedded checkpoint, a small file: what
// it measures is the cost of a file, syncing included, more than of a byte.
func (s *session) benchIO() ([]benchRow, error) {
	folder, err := os.MkdirTemp("", "rpg-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	model, err := embeddedModel(fixtures.ZooNames()[0])
	if err != nil {
		return nil, err
	}
	const copies = 100
	megabytes := float64(model.Info().Bytes) * copies / 1e6
	shape := fmt.Sprintf("%d x %s", copies, size(model.Info().Bytes))
	name := func(i int) string { return filepath.Join(folder, fmt.Sprintf("%d.onnx", i)) }
	var rows []benchRow
	for _, b := range []struct {
		name string
		work func(i int) error
	}{
		{"io write", func(i int) error {
			return onnxio.Write(name(i), model, model, onnxio.WriteOptions{Force: true})
		}},
		{"io stream", func(int) error { return onnxio.WriteTo(io.Discard, model, model, nil) }},
		{"io read", func(i int) error {
			m, err := onnxio.Open(name(i))
			if err != nil {
				return err
			}
			defer m.Close()
			for j, w := range m.Weights() {
				if err := m.ReadValues(j, make([]float32, w.Elements), 0); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		seconds, err := repeat(5, func() error {
			for i := range copies {
				if err := s.ctx.Err(); err != nil {
					return err
				}
				if err := b.work(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, benchRow{Name: b.name, Shape: shape, Value: megabytes / seconds, Unit: "MB/s"})
	}
	return rows, nil
}
