package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

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
		description: "Looks at the structure, reads every value of every floating-point tensor and the checksums of\n" +
			"side files, compares the file as onnx-go reads it, and lets ONNX Runtime load it where it is\n" +
			"installed. Exit code 3 when a model is not valid, or not of the first one's graph. -v gives the\n" +
			"reasons of the other readers. A folder stands for the .onnx files in it.",
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
	runtimeLoads    = "loads"
	runtimeRefuses  = "refuses"
	runtimeUncovers = "not covered" // it has no such operator, type or version
	runtimeMissing  = "not available"
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
	defer p.close()
	for i, path := range paths {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		m, err := onnxio.OpenWith(path, s.limits)
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
		if first == nil {
			first = m
			defer m.Close()
		}
		view, err := s.checkModel(first, m, missing)
		if m != first {
			m.Close()
		}
		if err != nil {
			return err
		}
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

// checkModel holds m against the rules and against the graph of first. Its error
// is that of being stopped.
func (s *session) checkModel(first, m *onnxio.Model, missing string) (checkedModel, error) {
	view := checkedModel{Path: m.Path, Signature: m.Signature(), Problems: []problem{}}
	if difference := first.Difference(m); difference != "" {
		view.Problems = append(view.Problems, problem{What: "not the graph of " + first.Path + ": " + difference})
	}
	for _, p := range m.Problems() {
		what := p.What
		if p.Where != "" {
			what = p.Where + ": " + what
		}
		view.Problems = append(view.Problems, problem{p.Tensor, what})
	}
	if _, err := m.CheckExternal(); err != nil {
		view.Problems = append(view.Problems, problem{What: plain(err)})
	}
	broken, err := s.checkValues(m)
	if err != nil {
		return view, err
	}
	view.Problems = append(view.Problems, broken...)
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
	return view, nil
}

// uncovered are the parts of ONNX Runtime's errors that tell that it lacks
// something, and not that the model is wrong.
var uncovered = []string{
	"NOT_IMPLEMENTED", "Could not find an implementation", "is not a registered function/op", "only *guarantees* support",
	"is under development", "Unsupported model IR version", "Unrecognized attribute", "Unknown model file format version",
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
	if err == nil {
		err = session.Destroy()
	}
	if err == nil {
		return opinion{runtimeLoads, "version " + ort.GetVersion()}
	}
	for _, part := range uncovered {
		if strings.Contains(err.Error(), part) {
			return opinion{runtimeUncovers, err.Error()}
		}
	}
	return opinion{runtimeRefuses, err.Error()}
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
	t.fit(s.width(), narrowing{0, 20, tail})
	t.write(s.out)
	for _, m := range a.Models {
		for _, p := range m.Problems {
			what := visible(p.What, true)
			if p.Tensor != "" {
				what = fmt.Sprintf("tensor %q: %s", p.Tensor, what)
			}
			s.printf("%s: %s\n", m.Path, what)
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
