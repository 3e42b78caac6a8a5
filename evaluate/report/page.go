package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"

	"rpg/evaluate"
)

// A Page is what one report tells about. All of it is optional, but a page of
// nothing at all has nothing to say.
type Page struct {
	Results     []*evaluate.Result
	Runs        []*Training
	Generations []*Generation
	Version     string   // of the program
	Command     []string // that writes the report, word by word
}

// Training is a run folder: what was learned from, how, and how it went.
type Training struct {
	Dir          string
	Settings     []Setting
	Models       int      // learned from
	Sources      []string // their paths
	ZooSHA256    string   // of their tokens
	ConfigSHA256 string
	Signature    string // of their graph
	Steps        []Step
	Evals        []Eval
}

// A Setting is one key of the configuration, its value, and where that came from.
type Setting struct{ Key, Value, Origin string }

// A Step is one line of metrics.jsonl. Elapsed is in seconds since the process
// began; a resumed training begins again at 0.
type Step struct {
	Step    int     `json:"step"`
	Loss    float64 `json:"loss"`
	LR      float64 `json:"lr"`
	Elapsed float64 `json:"elapsed_s"`
}

// An Eval is the top-1 of models sampled during training, as fractions.
type Eval struct {
	Step int     `json:"step"`
	Mean float64 `json:"top1_mean"`
	Std  float64 `json:"top1_std"`
}

// A Generation is the JSON object rpg.generate/1.
type Generation struct {
	Schema  string   `json:"schema"`
	Version string   `json:"version"`
	Command []string `json:"command"`
	Models  []Made   `json:"models"`
	Seconds struct {
		Load       float64 `json:"load"`
		Prototypes float64 `json:"prototypes"`
		Denoise    float64 `json:"denoise"`
		Write      float64 `json:"write"`
	} `json:"seconds"`
	Device     string           `json:"device"`
	Evaluation *evaluate.Result `json:"evaluation"` // with --evaluate
}

// Made is one generated model.
type Made struct {
	Path   string `json:"path"`
	Seed   uint64 `json:"seed"`
	State  string `json:"state"`
	SHA256 string `json:"sha256"`
}

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// Write writes the page. Results are expected to be as ReadResult checks them.
func Write(w io.Writer, p Page) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(styleText) },
	}).Parse(pageText)
	if err != nil {
		panic("report: the page's own template does not parse")
	}
	var page bytes.Buffer
	if err := t.Execute(&page, newView(p)); err != nil {
		return err
	}
	_, err = w.Write(bytes.Map(allowed, page.Bytes()))
	return err
}
