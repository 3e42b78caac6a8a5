package generator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"rpg/generator/compute"
)

// Config is everything that decides what is learned. It is one value, checked
// once by Validate and never changed afterwards. The JSON names are the flags
// of `rpg train` and the keys of recipes.
type Config struct {
	Preset string `json:"preset"`

	TokenDim    int    `json:"token-dim"`   // D, values in a token
	Granularity string `json:"granularity"` // how weights are cut: tensor
	Stats       string `json:"stats"`       // pooled or paper

	Recurrent string `json:"recurrent"`           // one of Recurrents
	Layers    int    `json:"layers"`              // recurrent layers
	Width     int    `json:"width"`               // M
	OutWidth  int    `json:"out-width,omitempty"` // of the last layer's output, mamba2 only; 0: M
	State     int    `json:"state"`               // S, mamba2 only
	HeadDim   int    `json:"head-dim"`            // P, mamba2 and transformer
	Residual  bool   `json:"residual"`            // around each recurrent layer
	Window    int    `json:"window,omitempty"`    // tokens that training keeps at a time; 0: all; not for a transformer
	Positions string `json:"positions"`           // coded or sines
	StateInit string `json:"state-init"`          // spread or constant

	Denoiser      string `json:"denoiser"`       // mlp or conv
	DenoiserWidth int    `json:"denoiser-width"` // W, mlp only
	Blocks        int    `json:"blocks"`         // B, mlp only
	Channels      []int  `json:"channels"`       // C, conv only
	Kernel        int    `json:"kernel"`         // K, conv only

	Prediction     string  `json:"prediction"`      // eps, v or x0
	DiffusionSteps int     `json:"diffusion-steps"` // T
	BetaMin        float64 `json:"beta-min"`
	BetaMax        float64 `json:"beta-max"`

	Batch          int     `json:"batch"`           // models in a step
	DiffusionBatch int     `json:"diffusion-batch"` // tokens in a step; 0: all of the batch's, once
	Steps          int     `json:"steps"`
	LR             float64 `json:"lr"`
	Optimizer      string  `json:"optimizer,omitempty"` // one of Optimizers
	Warmup         int     `json:"warmup"`              // steps of linear warm-up, then cosine to 0
	WeightDecay    float64 `json:"weight-decay"`
	Clip           float64 `json:"clip"` // gradient norm; 0: no clipping
	EMA            float64 `json:"ema"`  // decay of the averaged weights; 0: none

	Seed uint64 `json:"seed"`
}

// Recurrents names what --recurrent accepts.
var Recurrents = []string{"mamba2", "lstm", "transformer", "none"}

// Override is one value for one key, with where it came from.
type Override struct{ Key, Value, Origin string }

// Resolved is a valid configuration and the origin of each value.
type Resolved struct {
	Config  Config
	Origins map[string]string
}

// Resolve takes a preset and overrides, later ones winning, and validates the
// result. The preset itself may be named by an override.
func Resolve(parameters int, overrides []Override) (Resolved, error) {
	name, origin := "fast", "default"
	for _, o := range overrides {
		if o.Key == "preset" {
			name, origin = o.Value, o.Origin
		}
	}
	c, err := preset(name, parameters)
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{Config: c, Origins: map[string]string{}}
	for _, k := range Keys() {
		r.Origins[k] = "preset " + name
	}
	r.Origins["preset"] = origin
	r.Origins["seed"] = "default"
	given := map[string]bool{}
	for _, o := range overrides {
		if o.Key == "preset" {
			continue
		}
		if err := r.Config.set(o.Key, o.Value); err != nil {
			return Resolved{}, err
		}
		r.Origins[o.Key], given[o.Key] = o.Origin, true
	}
	if r.Config.Recurrent == "transformer" {
		r.transformer(given)
	}
	if r.Config.OutWidth != 0 && !given["out-width"] && (given["width"] || r.Config.Recurrent != "mamba2") {
		r.Config.OutWidth, r.Origins["out-width"] = 0, "width" // the preset's is beside the preset's
	}
	if r.Config.Warmup > r.Config.Steps && !given["warmup"] {
		r.Config.Warmup, r.Origins["warmup"] = r.Config.Steps/4, "steps" // the preset's is a quarter too, of 200
	}
	return r, r.Config.Validate()
}

// transformer gives what is not given of the settings that a transformer cannot
// share with the presets, which are made for Mamba-2: the published 8 heads (4,
// where 8 do not divide the width), and the residual, which is part of a block.
func (r *Resolved) transformer(given map[string]bool) {
	c := &r.Config
	if !given["head-dim"] {
		c.HeadDim, r.Origins["head-dim"] = c.Width/4, "recurrent transformer"
		if c.Width%8 == 0 {
			c.HeadDim = c.Width / 8
		}
	}
	if !given["residual"] {
		c.Residual, r.Origins["residual"] = true, "recurrent transformer"
	}
}

// Keys lists the configuration's keys in their order of declaration.
func Keys() []string {
	t := reflect.TypeFor[Config]()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return keys
}

// UnknownKeyError is a key that is not among Keys.
type UnknownKeyError struct{ Key string }

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("generator: unknown configuration key %q", e.Key)
}

// set parses a value into the field of this key.
func (c *Config) set(key, value string) error {
	i := slices.Index(Keys(), key)
	if i < 0 {
		return &UnknownKeyError{key}
	}
	wrong := func(expected string) error {
		return fmt.Errorf("generator: %s is %q, expected %s", key, value, expected)
	}
	switch f := reflect.ValueOf(c).Elem().Field(i).Addr().Interface().(type) {
	case *string:
		*f = value
	case *bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return wrong("true or false")
		}
		*f = b
	case *int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return wrong("a whole number")
		}
		*f = n
	case *uint64:
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return wrong("a whole number from 0 to 18446744073709551615")
		}
		*f = n
	case *float64:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return wrong("a finite number")
		}
		*f = x
	case *[]int:
		var list []int
		for s := range strings.SplitSeq(strings.Trim(value, "[] "), ",") {
			n, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil {
				return wrong("whole numbers separated by commas")
			}
			list = append(list, n)
		}
		*f = list
	default:
		panic("generator: configuration field of unknown type")
	}
	return nil
}

// Value returns the printed form of a key's value, as set would take it.
func (c Config) Value(key string) string {
	v := reflect.ValueOf(c).Field(slices.Index(Keys(), key))
	if list, ok := v.Interface().([]int); ok {
		return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ",")
	}
	return fmt.Sprint(v.Interface())
}

// Validate refuses values that make no sense, naming the key, what it expects
// and what it found.
func (c Config) Validate() error {
	oneOf := func(key, found string, allowed ...string) error {
		if slices.Contains(allowed, found) {
			return nil
		}
		return fmt.Errorf("generator: %s is %q, expected %s", key, found, strings.Join(allowed, " or "))
	}
	for _, err := range []error{
		oneOf("granularity", c.Granularity, "tensor"),
		oneOf("stats", c.Stats, "pooled", "paper"),
		oneOf("recurrent", c.Recurrent, Recurrents...),
		oneOf("positions", c.Positions, "coded", "sines"),
		oneOf("state-init", c.StateInit, "spread", "constant"),
		oneOf("denoiser", c.Denoiser, "mlp", "conv"),
		oneOf("prediction", c.Prediction, "eps", "v", "x0"),
		oneOf("optimizer", c.Optimizer, Optimizers...),
	} {
		if err != nil {
			return err
		}
	}
	for _, r := range []struct {
		key     string
		x       float64
		lo, hi  float64
		meaning string
	}{
		{"token-dim", float64(c.TokenDim), 1, 1 << 20, ""},
		{"layers", float64(c.Layers), 1, 64, ""},
		{"width", float64(c.Width), 4, 1 << 16, ""},
		{"out-width", float64(c.OutWidth), 0, 1 << 16, " (0 is the width)"},
		{"state", float64(c.State), 1, 4096, ""},
		{"head-dim", float64(c.HeadDim), 1, 4096, ""},
		{"denoiser-width", float64(c.DenoiserWidth), 1, 1 << 16, ""},
		{"blocks", float64(c.Blocks), 1, 64, ""},
		{"kernel", float64(c.Kernel), 1, 63, ""},
		{"diffusion-steps", float64(c.DiffusionSteps), 1, 100_000, ""},
		{"beta-min", c.BetaMin, 1e-9, 0.5, ""},
		{"beta-max", c.BetaMax, c.BetaMin, 0.999, " (not below beta-min)"},
		{"window", float64(c.Window), 0, 1 << 24, ""},
		{"batch", float64(c.Batch), 1, 1 << 20, ""},
		{"diffusion-batch", float64(c.DiffusionBatch), 0, 1 << 24, ""},
		{"steps", float64(c.Steps), 1, 1 << 40, ""},
		{"lr", c.LR, 0, 10, ""},
		{"warmup", float64(c.Warmup), 0, float64(c.Steps), " (not above steps)"},
		{"weight-decay", c.WeightDecay, 0, 10, ""},
		{"clip", c.Clip, 0, 1e9, ""},
		{"ema", c.EMA, 0, 0.9999999, ""},
	} {
		if !(r.x >= r.lo && r.x <= r.hi) {
			return fmt.Errorf("generator: %s is %v, expected %v to %v%s", r.key, r.x, r.lo, r.hi, r.meaning)
		}
	}
	if c.Width%4 != 0 {
		return fmt.Errorf("generator: width is %d, expected a multiple of 4 (sines and cosines of two positions)", c.Width)
	}
	switch {
	case c.Recurrent == "mamba2" && 2*c.Width%c.HeadDim != 0:
		return fmt.Errorf("generator: head-dim is %d, expected a divisor of twice the width, %d", c.HeadDim, 2*c.Width)
	case c.Recurrent == "mamba2" && 2*c.outWidth()%c.HeadDim != 0:
		return fmt.Errorf("generator: head-dim is %d, expected a divisor of twice the out-width, %d", c.HeadDim, 2*c.outWidth())
	case c.Recurrent != "mamba2" && c.outWidth() != c.Width:
		return fmt.Errorf("generator: out-width is %d, expected 0 or the width, %d, for %s: only mamba2 ends with another one", c.OutWidth, c.Width, c.Recurrent)
	case c.Residual && c.outWidth() != c.Width:
		return fmt.Errorf("generator: out-width is %d, expected 0 or the width, %d, with residual, which adds a layer's input to its output", c.OutWidth, c.Width)
	case c.Recurrent == "transformer" && c.Width%c.HeadDim != 0:
		return fmt.Errorf("generator: head-dim is %d, expected a divisor of the width, %d, for a transformer", c.HeadDim, c.Width)
	case c.Recurrent == "transformer" && !c.Residual:
		return fmt.Errorf("generator: residual is false, expected true for a transformer, whose blocks have residuals in them")
	}
	if 0 < c.Window && c.Window < convWidth {
		return fmt.Errorf("generator: window is %d, expected 0, for all tokens, or at least %d", c.Window, convWidth)
	}
	if c.Kernel%2 != 1 {
		return fmt.Errorf("generator: kernel is %d, expected an odd number", c.Kernel)
	}
	return c.validateChannels()
}

// outWidth is the width of the prototypes.
func (c Config) outWidth() int {
	if c.OutWidth == 0 {
		return c.Width
	}
	return c.OutWidth
}

// validateChannels checks that the skips of the conv denoiser fit together.
func (c Config) validateChannels() error {
	n := len(c.Channels)
	if n < 3 || c.Channels[0] != 1 || c.Channels[n-1] != 1 {
		return fmt.Errorf("generator: channels is %v, expected at least three numbers that start and end with 1", c.Channels)
	}
	for i, x := range c.Channels {
		if x < 1 || x > 1<<14 || x != c.Channels[n-1-i] {
			return fmt.Errorf("generator: channels is %v, expected the same from both ends, each 1 to %d", c.Channels, 1<<14)
		}
	}
	return nil
}

// prediction is the compute value of Prediction, which Validate has checked.
func (c Config) prediction() compute.Prediction {
	return map[string]compute.Prediction{"eps": compute.PredictEps, "v": compute.PredictV, "x0": compute.PredictX0}[c.Prediction]
}

// SHA256 identifies the configuration, in hex.
func (c Config) SHA256() string {
	if c.Optimizer == firstOptimizer {
		c.Optimizer = ""
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic("generator: configuration cannot be encoded")
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func itoa(i int) string { return strconv.Itoa(i) }
