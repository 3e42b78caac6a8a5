package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/onnxio"
	"rpg/tokenize"
)

func (s *session) inspectVerb() verb {
	return verb{
		name: "inspect", usage: "what is inside; what would be generated, copied, and why", arguments: "MODEL...",
		description: "A folder stands for the .onnx files in it. Models of the graph of an earlier one\n" +
			"get one line; -v lists their tensors too.",
		examples: "rpg inspect model.onnx\nrpg inspect zoo/*.onnx --json\nrpg inspect model.onnx | grep copy",
		flags: append([]cli.Flag{
			&cli.IntFlag{Name: "token-dim", Value: 256, Usage: "width of a token, `D` values"},
		}, selectionFlags()...),
		run: func(c *cli.Context) error {
			if err := someArguments(c, "at least one model"); err != nil {
				return err
			}
			width := c.Int("token-dim")
			if width < 1 || width > tokenize.MaxTokenDim {
				return usagef("", "--token-dim: expected 1 to %d, found %d", tokenize.MaxTokenDim, width)
			}
			paths, err := modelPaths(c.Args().Slice())
			if err != nil {
				return err
			}
			return s.inspect(paths, width, selectionOf(c))
		},
	}
}

// The JSON answer, rpg.inspect/1.
type (
	inspection struct {
		Schema string           `json:"schema"`
		Models []inspectedModel `json:"models"`
	}
	inspectedModel struct {
		Path       string            `json:"path"`
		Bytes      int64             `json:"bytes"`
		IRVersion  int64             `json:"ir_version"`
		Opset      int64             `json:"opset"`
		Opsets     []onnxio.Opset    `json:"opsets"`
		Producer   string            `json:"producer"`
		Signature  string            `json:"signature"`
		Parameters int               `json:"parameters"`
		Inputs     []inspectedPort   `json:"inputs"`
		Outputs    []inspectedPort   `json:"outputs"`
		Tensors    []inspectedTensor `json:"tensors"`
		Tokens     inspectedTokens   `json:"tokens"`
		Metadata   map[string]string `json:"metadata"`
		SideFiles  []string          `json:"side_files"` // external data, relative to the model's folder
	}
	inspectedPort struct {
		Name  string `json:"name"`
		DType string `json:"dtype"`
		Shape []any  `json:"shape"` // numbers, names of dimensions, or null; null when the model does not say
	}
	inspectedTensor struct {
		Name     string      `json:"name"`
		DType    string      `json:"dtype"`
		Shape    []int       `json:"shape"`
		Elements int         `json:"elements"`
		Stored   string      `json:"stored"`
		Op       string      `json:"op"`
		Slot     int         `json:"slot"`
		Role     onnxio.Role `json:"role"`
		Action   string      `json:"action"`
		Reason   string      `json:"reason"`
		Tokens   int         `json:"tokens"`
		Padding  int         `json:"padding"`
	}
	inspectedTokens struct {
		Width int     `json:"width"`
		Count int     `json:"count"`
		Fill  float64 `json:"fill"` // real values of all values of the tokens, 0 to 1
	}
)

func (s *session) inspect(paths []string, width int, selection onnxio.Selection) error {
	answer := inspection{Schema: "rpg.inspect/1"}
	first := map[string]string{} // path of the first model of each signature
	for i, path := range paths {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		m, err := onnxio.OpenWith(path, s.limits)
		if err != nil {
			return explain(err)
		}
		if err := selectWeights([]*onnxio.Model{m}, selection); err != nil {
			m.Close()
			return err
		}
		view := inspectModel(m, width)
		m.Close()
		if s.json {
			answer.Models = append(answer.Models, view)
			continue
		}
		if same, ok := first[view.Signature]; ok && !s.verbose {
			s.printf("%s: %s, the graph of %s\n", path, size(view.Bytes), same)
			continue
		}
		first[view.Signature] = path
		if i > 0 {
			s.printf("\n")
		}
		s.printModel(view)
	}
	if s.json {
		return s.answerJSON(answer)
	}
	return nil
}

func inspectModel(m *onnxio.Model, width int) inspectedModel {
	info := m.Info()
	v := inspectedModel{
		Path: m.Path, Bytes: info.Bytes, IRVersion: info.IRVersion, Opsets: info.Opsets,
		Producer:  strings.TrimSpace(info.ProducerName + " " + info.ProducerVersion),
		Signature: m.Signature(), Inputs: inspectPorts(info.Inputs), Outputs: inspectPorts(info.Outputs),
		Tensors: []inspectedTensor{}, Tokens: inspectedTokens{Width: width}, Metadata: info.Metadata,
		SideFiles: append([]string{}, m.SideFiles()...),
	}
	for _, o := range info.Opsets {
		if o.Domain == "" {
			v.Opset = o.Version
		}
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	for _, t := range m.Tensors() {
		view := inspectedTensor{
			Name: t.Name, DType: t.DType.String(), Shape: append([]int{}, t.Shape...), Elements: t.Elements,
			Stored: t.Stored, Op: t.Op, Slot: t.Slot, Role: t.Role, Action: t.Action, Reason: t.Reason,
		}
		if t.Action == onnxio.ActionGenerate {
			view.Tokens = (t.Elements + width - 1) / width
			view.Padding = view.Tokens*width - t.Elements
			v.Parameters += t.Elements
			v.Tokens.Count += view.Tokens
		}
		v.Tensors = append(v.Tensors, view)
	}
	if v.Tokens.Count > 0 {
		v.Tokens.Fill = float64(v.Parameters) / float64(v.Tokens.Count*width)
	}
	return v
}

func inspectPorts(ports []onnxio.Port) []inspectedPort {
	out := []inspectedPort{}
	for _, p := range ports {
		v := inspectedPort{Name: p.Name, DType: p.Type}
		if p.DType != 0 {
			v.DType = p.DType.String()
		}
		if p.Shape != nil {
			v.Shape = []any{}
		}
		for i, n := range p.Shape {
			switch {
			case n >= 0:
				v.Shape = append(v.Shape, n)
			case p.Symbols[i] != "":
				v.Shape = append(v.Shape, p.Symbols[i])
			default:
				v.Shape = append(v.Shape, nil)
			}
		}
		out = append(out, v)
	}
	return out
}
