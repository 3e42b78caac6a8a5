package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rpg/evaluate"
	"rpg/evaluate/report"
)

// The folder testdata holds what rpg itself wrote: trajectory.json is the
// evaluation behind docs/example-report.html, generation.json and metrics.jsonl
// the sampling and training before it; independent.json are 40 of the digit
// networks, whose channels are in different orders; alone.json are models without
// originals.
func read(t testing.TB, p *report.Page, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Read(name, data); err != nil {
		t.Fatal(err)
	}
}

// training is the training that made the generated models of trajectory.json.
func training(t testing.TB) *report.Training {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	run := &report.Training{Dir: "run", Models: 50, Sources: []string{"zoo/0.onnx", "zoo/1.onnx"}, ZooSHA256: "30ba0786", ConfigSHA256: "835eb3f3", Signature: "b61a8802",
		Settings: []report.Setting{{Key: "steps", Value: "200", Origin: "preset fast"}, {Key: "batch", Value: "4", Origin: "flag"}}}
	if err := run.ReadMetrics("metrics.jsonl", data); err != nil {
		t.Fatal(err)
	}
	return run
}

// fullPage has everything that a page can have.
func fullPage(t testing.TB) report.Page {
	t.Helper()
	p := report.Page{Version: "v1.2.3", Command: []string{"rpg", "report", "result.json", "run", "-o", "report.html"}}
	read(t, &p, "trajectory.json")
	read(t, &p, "independent.json")
	read(t, &p, "generation.json")
	p.Runs = append(p.Runs, training(t))
	return p
}

func write(t testing.TB, p report.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPage(t *testing.T) {
	one := func(names ...string) func(t *testing.T) report.Page {
		return func(t *testing.T) report.Page {
			var p report.Page
			for _, name := range names {
				read(t, &p, name)
			}
			return p
		}
	}
	changed := func(name string, change func(r *evaluate.Result)) func(t *testing.T) report.Page {
		return func(t *testing.T) report.Page {
			p := one(name)(t)
			change(p.Results[0])
			return p
		}
	}
	for _, c := range []struct {
		name    string
		page    func(t *testing.T) report.Page
		figures int
		want    []string
	}{
		{"everything", func(t *testing.T) report.Page { return fullPage(t) }, 14, []string{
			"2 evaluations", "50 originals on cifar10", "40 originals on test", "Loss and sampled accuracy over training", "batch=4", "rpg v1.2.3",
			"rpg report result.json run -o report.html", "training run, 200 steps", "generating: denoising", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}},
		{"one trajectory", one("trajectory.json"), 6, []string{
			"10 generated models and 50 originals on cifar10", "The originals are one trajectory", "10 of 10 are average-like", "ratio 6", "new/0009.onnx", "McNemar"}},
		{"independent runs", one("independent.json"), 6, []string{"hollow: of aligned originals", "independent", "average aligned"}},
		{"no originals", one("alone.json"), 1, []string{"3 models on cifar10", "Top-1 accuracy is ", "Wilson"}},
		{"a run alone", func(t *testing.T) report.Page { return report.Page{Runs: []*report.Training{training(t)}} }, 2, []string{"Training run", "Settings of the training"}},
		{"a run without steps", func(t *testing.T) report.Page { return report.Page{Runs: []*report.Training{{Dir: "new"}}} }, 0, []string{"Training new"}},
		{"all copies", changed("trajectory.json", func(r *evaluate.Result) {
			for _, m := range r.Models {
				m.Nearest.L2, m.Nearest.Aligned.L2 = 0, 0
			}
		}), 4, nil},
		{"some copies", changed("trajectory.json", func(r *evaluate.Result) { r.Models[50].Nearest.Aligned.L2 = 0 }), 6, []string{"Not shown: 1 model at no distance"}},
		{"no zoo", changed("trajectory.json", func(r *evaluate.Result) { r.Zoo = nil }), 6, []string{"distance (logarithmic)"}},
		{"originals without spacing", changed("trajectory.json", func(r *evaluate.Result) { r.Zoo.Aligned.NearestNeighbour, r.Zoo.NearestNeighbour = 0, 0 }), 6, nil},
		{"all alike", changed("trajectory.json", func(r *evaluate.Result) {
			for i := range r.Models {
				r.Models[i].Top1 = 1
			}
			for i := range r.Groups {
				r.Groups[i].Top1 = evaluate.Summary{Mean: 1, Min: 1, Max: 1}
			}
		}), 3, []string{"100.00"}},
		{"collapsed", changed("trajectory.json", func(r *evaluate.Result) {
			for i := range r.Models {
				if r.Models[i].Group == evaluate.GroupGenerated {
					r.Models[i].Top1 = 0.1
				}
			}
		}), 6, []string{"around the originals;"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := write(t, c.page(t))
			sound(t, page)
			if bad := regexp.MustCompile(`NaN|Inf\b|%!|ZgotmplZ|<nil>`).FindString(page); bad != "" {
				t.Errorf("the page holds %q", bad)
			}
			links := strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
			if bad := regexp.MustCompile(`(?i)(https?:)?//[a-z]|url\(|@import|javascript:`).FindString(links); bad != "" {
				t.Errorf("the page refers to %q", bad)
			}
			if n := strings.Count(page, `role="img"`); n != c.figures {
				t.Errorf("%d figures, want %d", n, c.figures)
			}
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page does not hold %q", want)
				}
			}
			if len(page) >= 1<<20 {
				t.Errorf("the page has %d bytes, want less than 1 MB", len(page))
			}
		})
	}
}

// examplePage is the page that the README shows.
const examplePage = "../../docs/example-report.html"

func TestExample(t *testing.T) {
	page, err := os.ReadFile(examplePage)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, string(page))
	if len(page) >= 1<<20 {
		t.Errorf("the page has %d bytes, want less than 1 MB", len(page))
	}
	if found := regexp.MustCompile(`/(home|root|tmp|work|Users)/`).Find(page); found != nil {
		t.Errorf("the page holds a path of some machine, %q", found)
	}
	for _, want := range []string{"10 generated models and 50 originals on cifar10", "cifar10, 10,000 images", "Loss and sampled accuracy over training", "pca gaussian", "rpg evaluate new --against zoo --data cifar10"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

// The elements and attributes of a page.
var (
	elements = strings.Fields("a html head meta title link style body header main section p h1 h2 h3 ul li span figure figcaption div " +
		"table caption thead tbody tr th td details summary dl dt dd code pre svg desc g path circle text")
	attributes = strings.Fields("lang charset http-equiv content name rel href class id role aria-label aria-labelledby aria-hidden tabindex scope title " +
		"xmlns viewBox d cx cy r x y")
	void = strings.Fields("meta link")
)

// sound checks that every element is closed where it should be, that only known
// elements and attributes are there, that ids are unique, that figures are XML,
// that no link leads anywhere, and that no place in a figure failed to be a number.
func sound(t *testing.T, page string) {
	t.Helper()
	_, body, found := strings.Cut(page, "<!DOCTYPE html>")
	if !found {
		t.Fatal("the page is not HTML")
	}
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var open []string
	ids := map[string]bool{}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("within %q: %v", open, err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if !slices.Contains(elements, e.Name.Local) {
				t.Fatalf("element <%s>", e.Name.Local)
			}
			for _, a := range e.Attr {
				if !slices.Contains(attributes, a.Name.Local) {
					t.Fatalf("<%s> has the attribute %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
				if a.Name.Local == "id" && ids[a.Value] {
					t.Errorf("two elements have the id %q", a.Value)
				}
				if a.Name.Local == "href" && a.Value != "data:," {
					t.Errorf("the page refers to %q", a.Value)
				}
				if a.Name.Local == "id" {
					ids[a.Value] = true
				}
			}
			if !slices.Contains(void, e.Name.Local) {
				open = append(open, e.Name.Local)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> ends %q", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%q are not closed", open)
	}
	for _, figure := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
		var any struct{}
		if err := xml.Unmarshal([]byte(figure), &any); err != nil {
			t.Errorf("a figure is not XML: %v", err)
		}
	}
	if bad := regexp.MustCompile(` (d|x|y|r|cx|cy|viewBox)="[^"]*(NaN|Inf|%)[^"]*"`).FindString(page); bad != "" {
		t.Errorf("the page holds %s", bad)
	}
	if !strings.Contains(page, `content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;; img-src data:"`) &&
		!strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`) {
		t.Error("the page does not forbid fetching")
	}
}

// TestEscaping puts markup into every string of the input: none of it may become
// markup of the page.
func TestEscaping(t *testing.T) {
	for _, hostile := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onload='alert(1)`, "</style></title>]]>", "a\x00b\x01\u202e\ufffe\xff", `{{.}}`, "&amp;&lt;"} {
		t.Run(hostile, func(t *testing.T) {
			var p report.Page
			for _, name := range []string{"trajectory.json", "independent.json", "generation.json"} {
				data, err := os.ReadFile(filepath.Join("testdata", name))
				if err != nil {
					t.Fatal(err)
				}
				var v any
				if err := json.Unmarshal(data, &v); err != nil {
					t.Fatal(err)
				}
				data, err = json.Marshal(infect(v, "", hostile))
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Read(name, data); err != nil {
					t.Fatal(err)
				}
			}
			run := training(t)
			run.Dir, run.Signature, run.ZooSHA256, run.ConfigSHA256, run.Sources = hostile, hostile, hostile, hostile, []string{hostile, hostile}
			run.Settings = []report.Setting{{Key: hostile, Value: hostile, Origin: hostile}}
			p.Runs, p.Version, p.Command = append(p.Runs, run), hostile, []string{hostile}
			page := write(t, p)
			sound(t, page)
			if strings.Contains(page, "<script") || strings.Contains(page, "<img") {
				t.Error("markup of the input is markup of the page")
			}
		})
	}
}

// infect appends a word to every string but the schema and the names of groups,
// which it replaces only partly: an unknown group is drawn too.
func infect(v any, key, hostile string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = infect(e, k, hostile)
		}
	case []any:
		for i, e := range v {
			v[i] = infect(e, key, hostile)
		}
	case string:
		if key != "schema" && v != evaluate.GroupOriginals && v != evaluate.GroupGenerated {
			return v + hostile
		}
	}
	return v
}

func TestRead(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "trajectory.json"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) string {
		if !bytes.Contains(whole, []byte(old)) {
			t.Fatalf("trajectory.json does not hold %s", old)
		}
		return strings.Replace(string(whole), old, new, 1)
	}
	for _, c := range []struct {
		name, data, want string
	}{
		{"nothing", "", "f: expected JSON of schema rpg.evaluate/1 or rpg.generate/1, found something else (unexpected end of JSON input)"},
		{"cut", string(whole[:len(whole)/2]), "found something else"},
		{"a table", "cifar10, 10000 images", "found something else"},
		{"no schema", `{"a": 1}`, "found no schema"},
		{"another schema", `{"schema": "rpg.bench/1"}`, `found "rpg.bench/1"`},
		{"a newer schema", with("rpg.evaluate/1", "rpg.evaluate/2"), `found "rpg.evaluate/2"`},
		{"another type", with(`"images":10000`, `"images":"many"`), "f: json: cannot unmarshal string"},
		{"no models", `{"schema":"rpg.evaluate/1","data":{"images":5},"groups":[{}]}`, "f: number of models: expected 1 to"},
		{"no images", with(`"images":10000`, `"images":0`), "f: data.images: expected 1 to"},
		{"accuracy in percent", with(`"top1_low":0.`, `"top1_low":70.`), "f: models[0]: accuracy: expected 0 to 1, found 70."},
		{"a distance that no axis has", with(`"mean_l2":`, `"mean_l2":1e300,"x":`), "f: models[0].nearest.mean_l2: expected -1e+12 to 1e+12, found 1e+300"},
		{"a distance below 0", with(`"l2":`, `"l2":-1,"x":`), "nearest.l2: expected 0 to 1e+12, found -1"},
		{"generation without end", `{"schema":"rpg.generate/1","seconds":{"load":1e99}}`, "f: seconds.load: expected"},
		{"generation that was scored on no images", `{"schema":"rpg.generate/1","evaluation":{"groups":[{}],"models":[{}]}}`, "f: evaluation: data.images: expected 1 to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p report.Page
			err := p.Read("f", []byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "report: f: ") {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if len(p.Results)+len(p.Generations) > 0 {
				t.Error("the page took it all the same")
			}
		})
	}
}

func TestReadMetrics(t *testing.T) {
	const first = `{"event":"step","step":1,"loss":2,"lr":0.1,"elapsed_s":1}` + "\n"
	for _, c := range []struct {
		name, data, want string
		steps, evals     int
	}{
		{"empty", "", "", 0, 0},
		{"steps and evaluations", first + `{"event":"eval","step":1,"top1_mean":0.5,"top1_std":0.1}` + "\n", "", 1, 1},
		{"events of other kinds", first + `{"event":"saved","step":1,"path":"x"}` + "\n", "", 1, 0},
		{"a last line that is being written", first + `{"event":"step","st`, "", 1, 0},
		{"a broken line", `{"event":"step","st` + "\n" + first, "m: line 1: ", 0, 0},
		{"a loss that no axis has", first + `{"event":"step","step":2,"loss":1e99}` + "\n", "m: line 2: a figure is out of its range", 1, 0},
		{"an accuracy in percent", `{"event":"eval","step":1,"top1_mean":50}` + "\n", "m: line 1: a figure is out of its range", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var run report.Training
			err := run.ReadMetrics("m", []byte(c.data))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "report: "+c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if len(run.Steps) != c.steps || len(run.Evals) != c.evals {
				t.Errorf("%d steps and %d evaluations, want %d and %d", len(run.Steps), len(run.Evals), c.steps, c.evals)
			}
		})
	}
}

// FuzzRead: whatever Read takes becomes a sound page.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"alone.json", "generation.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"schema":"rpg.evaluate/1","data":{"images":5},"zoo":{"nearest_neighbour":1e-300,"kind":"x"},"groups":[{"name":"originals"},{"name":"generated","distance":{}}],
		"models":[{"group":"originals","nearest":{"l2":1e9,"iou":0.5}},{"group":"generated","top1":1,"nearest":{"l2":1e-30,"iou":0.1}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p report.Page
		if p.Read("f", data) == nil {
			var page bytes.Buffer
			if err := report.Write(&page, p); err != nil {
				t.Fatal(err)
			}
			sound(t, page.String())
		}
	})
}
