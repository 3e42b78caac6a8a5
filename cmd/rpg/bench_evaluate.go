package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"time"

	"rpg/evaluate"
	"rpg/fixtures"
	"rpg/onnxio"
)

// What is scored: as many images as CIFAR-10 tests with.
const (
	benchModels = 4
	imagesTimes = 10 // of the 1,000 embedded ones
)

// benchEvaluate scores embedded checkpoints on the embedded images.
func (s *session) benchEvaluate(m machine) ([]benchRow, error) {
	data, err := evaluate.CIFAR10FromBytes("embedded images", bytes.Repeat(fixtures.Images(), imagesTimes))
	if err != nil {
		return nil, err
	}
	var values []onnxio.Values
	for _, name := range fixtures.ZooNames()[:benchModels] {
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
		rows = append(rows, benchRow{Name: b.name, Shape: fmt.Sprintf("%d CNN(m) x %d images", benchModels, data.Count),
			Value: float64(benchModels*data.Count) / seconds, Unit: "images/s"})
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
