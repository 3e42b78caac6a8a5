package main

import (
	"fmt"

	"rpg/generator"
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
	DoneFLOP    float64 `json:"step_done_flop"`  // of these, without what repeats
	AgainFLOP   float64 `json:"step_again_flop"` // of these, what is done twice without room for aside_bytes
	SampleFLOP  float64 `json:"sample_flop"`
	DeviceBytes int64   `json:"device_bytes"` // for training
	AsideBytes  int64   `json:"aside_bytes"`  // of use beyond these
	SampleBytes int64   `json:"sample_bytes"` // of the device
	Workspace   bool    `json:"workspace"`    // what operations take for themselves is in both
	HostBytes   int64   `json:"host_bytes"`

	Devices []prospect `json:"devices"`
}

// planTraining prints every setting with its origin and what the training will
// cost. It touches nothing.
func (s *session) planTraining(r generator.Resolved, zoo *generator.Zoo, m machine) error {
	values, zeros := 0, 0
	for i := range zoo.Tokenizer.Layout.Weights {
		w := &zoo.Tokenizer.Layout.Weights[i]
		values += w.Values()
		if w.Zeros != nil {
			zeros += w.Elements - w.Values()
		}
	}
	device, err := s.plannedDevice(m)
	if err != nil {
		return err
	}
	if device != nil {
		defer device.Close()
	}
	f, err := s.forecast(r.Config, zoo.Tokenizer, zoo.Count, m, device)
	if err != nil {
		return err
	}
	devices, err := prospects(f, r.Config.Steps, m, device)
	if err != nil {
		return err
	}
	p := plan{
		Schema: "rpg.plan/1",
		Zoo:    planZoo{zoo.Count, zoo.Tokenizer.Layout.Signature, values, zeros, f.Tokens},
		Forecast: planForecast{f.Parameters, f.StepTokens, f.StepFLOP, f.DoneFLOP, f.AgainFLOP, f.SampleFLOP,
			f.DeviceBytes, f.AsideBytes, f.SampleBytes, f.Workspace, f.HostBytes, devices},
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
	s.printf("memory: %s on the device, %s for sampling, %s for the zoo's tokens\n", size(f.DeviceBytes), size(f.SampleBytes), size(f.HostBytes))
	s.printf("work: %s a step of %s tokens, %s in all\n", work(f.StepFLOP), count(f.StepTokens), work(f.StepFLOP*float64(r.Config.Steps)))
	s.printf("      %s a step without what repeats, %s a sample of %d steps\n", work(f.DoneFLOP), work(f.SampleFLOP), generator.DefaultSampling().Steps)
	if f.AgainFLOP > 0 {
		s.printf("      %s of a step are done twice on a device without room for %s more\n", work(f.AgainFLOP), size(f.AsideBytes))
	}
	s.sayProspects(devices)
	return nil
}

// work writes floating-point operations for people.
func work(flop float64) string {
	unit := 0
	const units = "MGTPE"
	for flop /= 1e6; flop >= 1000 && unit < len(units)-1; unit++ {
		flop /= 1000
	}
	return fmt.Sprintf("%.3g %cFLOP", flop, units[unit])
}

// duration writes seconds for people.
func duration(seconds float64) string {
	switch {
	case seconds >= 2*3600:
		return fmt.Sprintf("%.1f h", seconds/3600)
	case seconds >= 120:
		return fmt.Sprintf("%.1f min", seconds/60)
	case seconds < 0.1:
		return fmt.Sprintf("%.2g ms", 1000*seconds)
	}
	return fmt.Sprintf("%.1f s", seconds)
}
