package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

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

		otherGraph bool // one of the problems is that it is not of the first one's graph
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

func (s *session) check(paths []string) error {
	var runtime *asker
	lib, _, _, err := fetch.FindRuntime()
	missing := opinion{runtimeMissing, "not found"}
	if err == nil {
		runtime = &asker{lib: lib}
		err = runtime.start(s.ctx)
		defer runtime.close()
	}
	if err != nil {
		runtime, missing.Reason = nil, plain(err)
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
		if err != nil {
			if wrong := (*onnxio.Error)(nil); !errors.As(err, &wrong) {
				return err // no such file, not readable: there is nothing to check
			}
			what := strings.TrimPrefix(plain(err), path+": ")
			answer.Models = append(answer.Models, checkedModel{Path: path, Problems: []problem{{What: what}},
				Second: opinion{secondreader.NotCovered, "the model cannot be read"}, Runtime: opinion{runtimeMissing, "not asked: the model cannot be read"}})
			answer.SameGraph = false
			continue
		}
		if first == nil {
			first = m
			defer m.Close()
		}
		view, err := s.checkModel(first, m)
		view.Runtime = missing
		if runtime != nil && err == nil {
			view.Runtime = runtime.ask(s.ctx, m)
		}
		if view.Runtime.Status == runtimeRefuses {
			view.Problems = append(view.Problems, problem{What: "ONNX Runtime does not load it: " + view.Runtime.Reason})
		}
		view.OK = len(view.Problems) == 0
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

// checkModel holds m against the rules, against the graph of first, and against
// the second reader. Its error is that of being stopped.
func (s *session) checkModel(first, m *onnxio.Model) (checkedModel, error) {
	view := checkedModel{Path: m.Path, Signature: m.Signature(), Problems: []problem{}}
	if difference := first.Difference(m); difference != "" {
		view.otherGraph = true
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
	view.Second.Status, view.Second.Reason = secondreader.Compare(s.ctx, m)
	if err := s.ctx.Err(); err != nil {
		return view, err
	}
	if view.Second.Status == secondreader.Differs {
		view.Problems = append(view.Problems, problem{What: "a second reader differs: " + view.Second.Reason})
	}
	return view, nil
}

// answerProblem writes a problem in one line if it fits, and in lines of its own
// below the model's name if not.
func (s *session) answerProblem(path, what string) {
	if line := path + ": " + what; utf8.RuneCountInString(line) <= s.width() {
		s.printf("%s\n", line)
		return
	}
	s.printf("%s:\n", path)
	s.paragraph("    ", what)
}

// answerCheck writes one line for each model, and each problem.
func (s *session) answerCheck(a checking) error {
	if s.json {
		return s.answerJSON(a)
	}
	t := table{{"MODEL", "ANSWER", "SECOND-READER", "ONNXRUNTIME", "SIGNATURE"}}
	for _, m := range a.Models {
		word := "valid"
		switch {
		case m.otherGraph && len(m.Problems) == 1:
			word = "OTHER-GRAPH"
		case !m.OK:
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
			s.answerProblem(m.Path, what)
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
