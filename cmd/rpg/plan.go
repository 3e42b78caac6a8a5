package main

import (
	"fmt"

	"rpg/generator"
	"rpg/generator/compute"
)

// The JSON answer to train --dry-run, rpg.plan/1.
type plan struct {
	Schema   string        `json:"schema"`
	Settings []planSetting `json:"settings"`
	Zoo      planZoo       `json:"zoo"`
	Forecast planForecast  `json:"forecast"`
}

type planSetting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

type planZoo struct {
	Models     int    `json:"models"`
	Signature  string `json:"signature"`
	Parameters int    `json:"parameters"` // generated values of a model
	Zeros      int    `json:"zeros"`      // those that are 0 in every model, and stay so
	Tokens     int    `json:"tokens"`     // of a model
}

type planForecast struct {
	Parameters  int     `json:"parameters"` // of the generator
	StepTokens  int     `json:"step_tokens"`
	StepFLOP    float64 `json:"step_flop"`
	DeviceBytes int64   `json:"device_bytes"`
	HostBytes   int64   `json:"host_bytes"`
}

// planTraining prints every setting with its origin and what the training will
// cost on a device of that kind. It touches nothing.
func (s *session) planTraining(r generator.Resolved, zoo *generator.Zoo, info compute.Info) error {
	values, zeros := 0, 0
	for i := range zoo.Tokenizer.Layout.Weights {
		w := &zoo.Tokenizer.Layout.Weights[i]
		values += w.Values()
		if w.Zeros != nil {
			zeros += w.Elements - w.Values()
		}
	}
	f := generator.Plan(r.Config, zoo.Tokenizer, zoo.Count, info)
	p := plan{
		Schema: "rpg.plan/1",
		Zoo:    planZoo{zoo.Count, zoo.Tokenizer.Layout.Signature, values, zeros, f.Tokens},
		Forecast: planForecast{f.Parameters, f.StepTokens, f.StepFLOP,
			f.DeviceBytes, f.HostBytes},
	}
	for _, key := range generator.Keys() {
		p.Settings = append(p.Settings, planSetting{key, r.Config.Value(key), r.Origins[key]})
	}
	if s.json {
		return s.answerJSON(p)
	}
	t := table{{"SETTING", "VALUE", "ORIGIN"}}
	for _, e := range p.Settings {
		t = append(t, []string{e.Key, e.Value, e.Origin})
	}
	t.write(s.out)
	s.printf("\nzoo: %s models of %s generated values, %s tokens each\n", count(zoo.Count), count(values), count(f.Tokens))
	if zeros > 0 {
		s.printf("     %s more are 0 in every model and stay so\n", count(zeros))
	}
	s.printf("generator: %s parameters\n", count(f.Parameters))
	s.printf("memory: %s on the device, %s for the zoo's tokens\n", size(f.DeviceBytes), size(f.HostBytes))
	s.printf("work: %s GFLOP a step of %s tokens, %s TFLOP in all; at 100 GFLOP/s about %s\n",
		fmt.Sprintf("%.3g", f.StepFLOP/1e9), count(f.StepTokens), fmt.Sprintf("%.3g", f.StepFLOP*float64(r.Config.Steps)/1e12),
		duration(f.StepFLOP*float64(r.Config.Steps)/100e9))
	return nil
}

// duration writes seconds for people.
func duration(seconds float64) string {
	switch {
	case seconds >= 2*3600:
		return fmt.Sprintf("%.1f h", seconds/3600)
	case seconds >= 120:
		return fmt.Sprintf("%.1f min", seconds/60)
	}
	return fmt.Sprintf("%.1f s", seconds)
}
