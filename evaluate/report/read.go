package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"

	"rpg/evaluate"
)

// generateSchema is the name and version of the JSON object that Generation is.
const generateSchema = "rpg.generate/1"

// A SchemaError says that a file is not the JSON it should be.
type SchemaError struct{ File, Found, Want string }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("report: %s: expected JSON of schema %s, found %s", e.File, e.Want, e.Found)
}

// Hint says which commands write such a file.
func (e *SchemaError) Hint() string {
	return "rpg evaluate MODEL... --data DATA --json -o result.json writes one; rpg generate RUN -o DIR --json and a run folder are welcome beside it"
}

// Read adds the JSON of a file to the page: what rpg evaluate --json or
// rpg generate --json wrote, the latter with the evaluation that it may hold. Anything else is a *SchemaError; figures that
// cannot be are errors that name them.
func (p *Page) Read(file string, data []byte) error {
	var head struct {
		Schema string `json:"schema"`
	}
	wrong := &SchemaError{File: file, Want: evaluate.Schema + " or " + generateSchema}
	if err := json.Unmarshal(data, &head); err != nil {
		wrong.Found = fmt.Sprintf("something else (%v)", err)
		return wrong
	}
	switch head.Schema {
	case evaluate.Schema:
		r := &evaluate.Result{}
		if err := json.Unmarshal(data, r); err != nil {
			return fmt.Errorf("report: %s: %w", file, err)
		}
		if what := impossible(r); what != "" {
			return fmt.Errorf("report: %s: %s", file, what)
		}
		p.Results = append(p.Results, r)
	case generateSchema:
		g := &Generation{}
		if err := json.Unmarshal(data, g); err != nil {
			return fmt.Errorf("report: %s: %w", file, err)
		}
		if what := tooLarge(reflect.ValueOf(*g), ""); what != "" {
			return fmt.Errorf("report: %s: %s", file, what)
		}
		if g.Evaluation != nil {
			if what := impossible(g.Evaluation); what != "" {
				return fmt.Errorf("report: %s: evaluation: %s", file, what)
			}
			p.Results = append(p.Results, g.Evaluation)
		}
		p.Generations = append(p.Generations, g)
	case "":
		wrong.Found = "no schema"
		return wrong
	default:
		wrong.Found = fmt.Sprintf("%q", head.Schema)
		return wrong
	}
	return nil
}

// most is more than any distance, time or loss that a figure shows.
const most = 1e12

// least is less than any distance between two models that differ.
const least = 1e-12

func within(x, low, high float64) bool { return x >= low && x <= high }

// impossible names a figure of a result that no evaluation gives, and that no
// axis could show; "" for none.
func impossible(r *evaluate.Result) string {
	if what := tooLarge(reflect.ValueOf(*r), ""); what != "" {
		return what
	}
	fault := ""
	check := func(x, low, high float64, format string, a ...any) {
		if fault == "" && !within(x, low, high) {
			fault = fmt.Sprintf("%s: expected %g to %g, found %g", fmt.Sprintf(format, a...), low, high, x)
		}
	}
	check(float64(r.Data.Images), 1, most, "data.images")
	check(float64(len(r.Groups)), 1, most, "number of groups")
	check(float64(len(r.Models)), 1, most, "number of models")
	check(r.Bar, 0, 1, "bar")
	for i, g := range r.Groups {
		for _, s := range []evaluate.Summary{g.Top1, g.Top5} {
			for _, x := range []float64{s.Mean, s.Min, s.Max, s.Std} {
				check(x, 0, 1, "groups[%d]: accuracy", i)
			}
		}
		if g.Vote != nil {
			check(g.Vote.Top1, 0, 1, "groups[%d]: vote", i)
		}
	}
	for i, m := range r.Models {
		for _, x := range []float64{m.Top1, m.Top1Low, m.Top1High, m.Top5} {
			check(x, 0, 1, "models[%d]: accuracy", i)
		}
		if n := m.Nearest; n != nil {
			check(n.IoU, 0, 1, "models[%d]: nearest.iou", i)
			check(n.L2, 0, most, "models[%d]: nearest.l2", i)
			if n.Aligned != nil {
				check(n.Aligned.L2, 0, most, "models[%d]: nearest.aligned.l2", i)
			}
		}
	}
	if unit, _ := distanceUnit(r); unit != 1 {
		check(unit, least, most, "zoo: nearest_neighbour")
	}
	return fault
}

// tooLarge names a number anywhere in v, which is called path, that is farther
// from 0 than most; "" for none.
func tooLarge(v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Float64:
		if x := v.Float(); !within(x, -most, most) {
			return fmt.Sprintf("%s: expected %g to %g, found %g", path, -most, most, x)
		}
	case reflect.Int:
		if x := float64(v.Int()); !within(x, -most, most) {
			return fmt.Sprintf("%s: expected %g to %g, found %g", path, -most, most, x)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return tooLarge(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if what := tooLarge(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); what != "" {
				return what
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if what := tooLarge(v.Field(i), strings.TrimPrefix(path+"."+name, ".")); what != "" {
				return what
			}
		}
	}
	return ""
}

// ReadMetrics takes steps and evaluations from the lines of metrics.jsonl. A
// last line that is cut short, as while a training runs, is left out.
func (t *Training) ReadMetrics(file string, data []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		var line struct {
			Event string `json:"event"`
			Step
			Mean float64 `json:"top1_mean"`
			Std  float64 `json:"top1_std"`
		}
		err := json.Unmarshal(lines.Bytes(), &line)
		switch {
		case err != nil && !bytes.HasSuffix(data, []byte("\n")) && bytes.HasSuffix(data, lines.Bytes()):
			return nil
		case err != nil:
			return fmt.Errorf("report: %s: line %d: %w", file, n, err)
		case !within(float64(line.Step.Step), 0, most) || math.Abs(line.Loss) > most || !within(line.Elapsed, 0, most) || !within(line.Mean, 0, 1) || !within(line.Std, 0, 1):
			return fmt.Errorf("report: %s: line %d: a figure is out of its range", file, n)
		}
		switch line.Event {
		case "step":
			t.Steps = append(t.Steps, line.Step)
		case "eval":
			t.Evals = append(t.Evals, Eval{line.Step.Step, line.Mean, line.Std})
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("report: %s: %w", file, err)
	}
	return nil
}
