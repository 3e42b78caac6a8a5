package picture

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// config is what a file or a model's metadata may say, by the names of timm's
// pretrained_cfg and of the preprocessor_config.json of Hugging Face.
type config struct {
	Preset string `yaml:"preset"` // any name of Preset, as the start

	Pretrained    *config   `yaml:"pretrained_cfg"` // of a timm model's config.json
	InputSize     []int     `yaml:"input_size"`
	Interpolation string    `yaml:"interpolation"`
	CropPct       *float64  `yaml:"crop_pct"`
	CropMode      string    `yaml:"crop_mode"`
	Mean          []float32 `yaml:"mean"`
	Std           []float32 `yaml:"std"`

	// Of preprocessor_config.json.
	Size          any       `yaml:"size"`
	CropSize      any       `yaml:"crop_size"`
	CenterCrop    *bool     `yaml:"do_center_crop"`
	Resample      *int      `yaml:"resample"`
	RescaleFactor *float64  `yaml:"rescale_factor"`
	ImageMean     []float32 `yaml:"image_mean"`
	ImageStd      []float32 `yaml:"image_std"`

	// Ours.
	Resize *int     `yaml:"resize"` // the shorter side
	BGR    bool     `yaml:"bgr"`
	Divide *float32 `yaml:"divide"`
}

// Named gives the preset of that name, or what the file of that name says.
func Named(text string) (Preprocess, error) {
	ext := strings.ToLower(filepath.Ext(text))
	if !slices.Contains([]string{".json", ".yaml", ".yml"}, ext) {
		return Preset(text)
	}
	data, err := os.ReadFile(text)
	if err != nil {
		return Preprocess{}, fmt.Errorf("evaluate: preprocess: %w", err)
	}
	p, err := parseConfig(data, text)
	if err != nil {
		return p, fmt.Errorf("evaluate: preprocess: %s: %w", text, err)
	}
	return p, nil
}

// FromMetadata gives what a model's metadata says: under "preprocess" the name of
// a preset or a text like a file's, or timm's keys one by one. ok is false if it
// says nothing.
func FromMetadata(metadata map[string]string) (p Preprocess, ok bool, err error) {
	const name = "the model's metadata"
	if text, has := metadata["preprocess"]; has {
		if !strings.ContainsAny(text, "{\n") {
			p, err = Preset(text)
		} else {
			p, err = parseConfig([]byte(text), name)
		}
		return p, true, err
	}
	if metadata["mean"] == "" || metadata["std"] == "" {
		return p, false, nil
	}
	var text strings.Builder
	for _, key := range []string{"input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"} {
		if value := metadata[key]; value != "" {
			value = strings.NewReplacer("(", "[", ")", "]").Replace(value) // as Python prints tuples
			fmt.Fprintf(&text, "%s: %s\n", key, value)
		}
	}
	p, err = parseConfig([]byte(text.String()), name)
	return p, true, err
}

func parseConfig(data []byte, name string) (Preprocess, error) {
	var c config
	if err := yaml.Unmarshal(data, &c); err != nil {
		return Preprocess{}, fmt.Errorf("expected JSON or YAML: %w", err)
	}
	p := imageNet(name)
	if c.Preset != "" {
		var err error
		if p, err = Preset(c.Preset); err != nil {
			return p, err
		}
		p.Name = name
	}
	if c.Pretrained != nil {
		c = *c.Pretrained
	}
	if c.Preset == "" && c.Mean == nil && c.ImageMean == nil {
		return p, fmt.Errorf("expected at least mean and std (or image_mean and image_std), found neither")
	}
	if err := c.apply(&p); err != nil {
		return p, err
	}
	return p, p.check()
}

// apply overrides p by what c says.
func (c *config) apply(p *Preprocess) (err error) {
	if c.Interpolation != "" {
		if p.Filter, err = FilterOf(c.Interpolation); err != nil {
			return err
		}
	}
	if c.Resample != nil { // Pillow's numbers
		codes := []Filter{Nearest, Lanczos, Bilinear, Bicubic}
		if *c.Resample < 0 || *c.Resample >= len(codes) {
			return fmt.Errorf("resample: expected 0 to %d, found %d", len(codes)-1, *c.Resample)
		}
		p.Filter = codes[*c.Resample]
	}
	if c.CropPct != nil {
		p.CropPct = *c.CropPct
	}
	switch c.CropMode {
	case "", "center":
	case "squash":
		p.Squash = true
	default:
		return fmt.Errorf("crop_mode: expected center or squash, found %q", c.CropMode)
	}
	if n := len(c.InputSize); n >= 2 {
		p.Height, p.Width = c.InputSize[n-2], c.InputSize[n-1]
	}
	if c.Size != nil {
		if err := c.sizes(p); err != nil {
			return err
		}
	}
	if c.Resize != nil {
		p.Resize = *c.Resize
	}
	if c.RescaleFactor != nil {
		if !(*c.RescaleFactor > 0) {
			return fmt.Errorf("rescale_factor: expected a number above 0, found %g", *c.RescaleFactor)
		}
		p.Divide = float32(1 / *c.RescaleFactor)
	}
	if c.Divide != nil {
		p.Divide = *c.Divide
	}
	for _, mean := range [][]float32{c.Mean, c.ImageMean} {
		if mean != nil {
			p.Mean = mean
		}
	}
	for _, std := range [][]float32{c.Std, c.ImageStd} {
		if std != nil {
			p.Std = std
		}
	}
	p.BGR = p.BGR || c.BGR
	return nil
}

// sizes reads size and crop_size of preprocessor_config.json: a number, or
// shortest_edge, or height and width.
func (c *config) sizes(p *Preprocess) error {
	short, height, width := lengths(c.Size)
	cropShort, cropHeight, cropWidth := lengths(c.CropSize)
	cropped := c.CropSize != nil && (c.CenterCrop == nil || *c.CenterCrop)
	switch {
	case cropped && cropShort > 0:
		p.Height, p.Width = cropShort, cropShort
	case cropped:
		p.Height, p.Width = cropHeight, cropWidth
	case height > 0 && width > 0:
		p.Height, p.Width = height, width
	}
	switch {
	case short > 0 && cropped:
		p.Resize = short
	case height > 0 && width > 0 && !cropped:
		p.Squash = true
	case short > 0:
		p.Squash, p.Height, p.Width = true, short, short
	default:
		return fmt.Errorf("size: expected a number, shortest_edge, or height and width, found %v", c.Size)
	}
	return nil
}

func lengths(v any) (short, height, width int) {
	number := func(v any) int {
		switch v := v.(type) {
		case uint64:
			return int(min(v, 1<<30))
		case int64:
			return int(v)
		case float64:
			return int(v)
		}
		return 0
	}
	if m, ok := v.(map[string]any); ok {
		return number(m["shortest_edge"]), number(m["height"]), number(m["width"])
	}
	return number(v), 0, 0
}
