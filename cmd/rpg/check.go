package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/urfave/cli/v2"
	ort "github.com/yalue/onnxruntime_go"

	"rpg/evaluate"
	"rpg/evaluate/fetch"
	"rpg/onnxio"
	"rpg/onnxio/secondreader"
)

func (s *session) checkVerb() verb {
	return verb{
		name: "check", usage: "valid, finite, the same graph? with second opinions", arguments: "MODEL...",
		description: "Reads every weight, compares the file as onnx-go reads it, and lets ONNX Runtime load it\n" +
			"where it is installed. Exit code 3 when a model is not valid, or not of the first one's graph.\n" +
			"A folder stands for the .onnx files in it.",
		examples: "rpg check model.onnx\nrpg check zoo/*.onnx\nrpg check original.onnx gen/*.onnx --json",
		run: func(c *cli.Context) error {
			if err := someArguments(c, "at least one model"); err != nil {
				return err
			}
			paths, err := modelPaths(c.Args().Slice())
			if err != nil {
				return err
			}
			return s.check(paths)
		},
	}
}

// The JSON answer, rpg.check/1.
type (
	checking struct {
		Schema    string         `json:"schema"`
		Models    []checkedModel `json:"models"`
		SameGraph bool           `json:"same_graph"`
	}
	checkedModel struct {
		Path      string    `json:"path"`
		OK        bool      `json:"ok"`
		Signature string    `json:"signature"`
		Problems  []problem `json:"problems"`
		Second    opinion   `json:"second_reader"`
		Runtime   opinion   `json:"onnxruntime"`
	}
	problem struct {
		Tensor string `json:"tensor"` // "" when it is about the whole model
		What   string `json:"what"`
	}
	opinion struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
	}
)

// What ONNX Runtime says about a model.
const (
	runtimeLoads   = "loads"
	runtimeRefuses = "refuses"
	runtimeMissing = "not available"
)

func (s *session) check(paths []string) error {
	missing := ""
	if lib, _, _, err := fetch.FindRuntime(); err != nil {
		missing = plain(err)
	} else if rt, err := evaluate.OpenRuntime(lib); err != nil {
		missing = plain(err)
	} else {
		defer rt.Close()
	}
	answer := checking{Schema: "rpg.check/1", SameGraph: true}
	var first *onnxio.Model
	p := s.progress("checking", "models")
	for i, path := range paths {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		m, err := onnxio.Open(path)
		var pathError *fs.PathError
		if errors.As(err, &pathError) {
			return err // no such file, not readable: there is nothing to check
		}
		if err != nil {
			answer.Models = append(answer.Models, checkedModel{Path: path, Problems: []problem{{What: plain(err)}},
				Second: opinion{secondreader.NotCovered, "the model cannot be read"}, Runtime: opinion{runtimeMissing, "not asked: the model cannot be read"}})
			answer.SameGraph = false
			continue
		}
		defer m.Close()
		if first == nil {
			first = m
		}
		view := checkModel(first, m, missing)
		if view.Signature != first.Signature() {
			answer.SameGraph = false
		}
		answer.Models = append(answer.Models, view)
		p.at(i+1, len(paths))
	}
	p.close()
	ok := answer.SameGraph
	for _, m := range answer.Models {
		ok = ok && m.OK
	}
	if err := s.answerCheck(answer); err != nil {
		return err
	}
	if !ok {
		return errNo
	}
	return nil
}

// checkModel holds m against the rules and against the graph of first.
func checkModel(first, m *onnxio.Model, missing string) checkedModel {
	view := checkedModel{Path: m.Path, Signature: m.Signature(), Problems: []problem{}}
	if difference := first.Difference(m); difference != "" {
		view.Problems = append(view.Problems, problem{What: "not the graph of " + first.Path + ": " + difference})
	}
	view.Problems = append(view.Problems, checkValues(m)...)
	view.Second.Status, view.Second.Reason = secondreader.Compare(m)
	if view.Second.Status == secondreader.Differs {
		view.Problems = append(view.Problems, problem{What: "a second reader differs: " + view.Second.Reason})
	}
	view.Runtime = opinion{runtimeMissing, missing}
	if missing == "" {
		view.Runtime = askRuntime(m)
		if view.Runtime.Status == runtimeRefuses {
			view.Problems = append(view.Problems, problem{What: "ONNX Runtime does not load it: " + view.Runtime.Reason})
		}
	}
	view.OK = len(view.Problems) == 0
	return view
}

// checkValues reads every weight and names those with values that are not
// finite, and variances below zero.
func checkValues(m *onnxio.Model) []problem {
	const block = 1 << 16
	var found []problem
	buffer := make([]float32, block)
weights:
	for i, w := range m.Weights() {
		for off := 0; off < w.Elements; off += block {
			values := buffer[:min(block, w.Elements-off)]
			if err := m.ReadValues(i, values, off); err != nil {
				found = append(found, problem{w.Name, plain(err)})
				continue weights
			}
			for e, v := range values {
				x := float64(v)
				switch {
				case math.IsNaN(x) || math.IsInf(x, 0):
					found = append(found, problem{w.Name, fmt.Sprintf("element %d: expected a finite value, found %v", off+e, v)})
					continue weights
				case w.Role == onnxio.RoleVariance && x < 0:
					found = append(found, problem{w.Name, fmt.Sprintf("element %d: expected a variance of 0 or more, found %v", off+e, v)})
					continue weights
				}
			}
		}
	}
	return found
}

// askRuntime lets ONNX Runtime load the model.
func askRuntime(m *onnxio.Model) opinion {
	var inputs, outputs []string
	for _, p := range m.Info().Inputs {
		inputs = append(inputs, p.Name)
	}
	for _, p := range m.Info().Outputs {
		outputs = append(outputs, p.Name)
	}
	session, err := ort.NewDynamicAdvancedSession(m.Path, inputs, outputs, nil)
	if err != nil {
		return opinion{runtimeRefuses, err.Error()}
	}
	if err := session.Destroy(); err != nil {
		return opinion{runtimeRefuses, err.Error()}
	}
	return opinion{runtimeLoads, "version " + ort.GetVersion()}
}

// answerCheck writes one line for each model and one for each problem.
func (s *session) answerCheck(a checking) error {
	if s.json {
		return s.answerJSON(a)
	}
	t := table{{"MODEL", "ANSWER", "SECOND-READER", "ONNXRUNTIME", "SIGNATURE"}}
	for _, m := range a.Models {
		word := "valid"
		if !m.OK {
			word = "NOT-VALID"
		}
		t = append(t, []string{m.Path, word, dashed(m.Second.Status), dashed(m.Runtime.Status), fmt.Sprintf("%.12s", m.Signature)})
	}
	t.write(s.out)
	for _, m := range a.Models {
		for _, p := range m.Problems {
			if p.Tensor != "" {
				s.printf("%s: tensor %q: %s\n", m.Path, p.Tensor, p.What)
			} else {
				s.printf("%s: %s\n", m.Path, p.What)
			}
		}
		s.detail("%s: second reader: %s; ONNX Runtime: %s", m.Path, m.Second.Reason, m.Runtime.Reason)
	}
	if len(a.Models) > 1 {
		if a.SameGraph {
			s.printf("all %d models have one graph\n", len(a.Models))
		} else {
			s.printf("the models do not have one graph\n")
		}
	}
	return nil
}
