package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "rpg"

// rule is what one package may import besides the standard library and the
// module's internal packages: packages of this module by their path in it, and
// prefixes of packages of others.
type rule struct {
	own    []string
	others []string
}

// rules are read from top to bottom like the way of the data. A package without
// a rule is an error, so that a new one gets its place on purpose.
func rules() map[string]rule {
	const tensor = "gorgonia.org/tensor"
	const system = "golang.org/x/sys/"
	return map[string]rule{
		"onnxio":         {others: []string{tensor, system}},
		"onnxio/compare": {own: []string{"onnxio"}},
		// coverage is a program of the tests: it holds the reader against others.
		"onnxio/coverage": {own: []string{"onnxio", "onnxio/secondreader"}},
		"onnxio/secondreader": {own: []string{"onnxio"},
			others: []string{tensor, "github.com/owulveryck/onnx-go", "gonum.org/v1/gonum/graph"}},
		"tokenize":                      {own: []string{"onnxio"}, others: []string{tensor}},
		"tokenize/align":                {own: []string{"onnxio", "tokenize"}, others: []string{tensor, "gonum.org/v1/gonum/blas"}},
		"tokenize/tokenset":             {own: []string{"onnxio", "tokenize", "internal/safetensors"}},
		"generator":                     {own: []string{"tokenize", "internal/safetensors", "generator/compute"}},
		"internal/safetensors":          {},
		"generator/compute":             {},
		"generator/compute/cpu":         {own: []string{"generator/compute"}, others: []string{system}},
		"generator/compute/cpu/gen":     {},
		"generator/compute/computetest": {own: []string{"generator/compute"}},
		"cuda": {own: []string{"generator/compute"},
			others: []string{"github.com/ebitengine/purego", system}},
		"evaluate/picture/jpeg": {},
		"evaluate/picture":      {own: []string{"evaluate/picture/jpeg"}, others: []string{"golang.org/x/image/", "github.com/goccy/go-yaml"}},
		"evaluate/dataset":      {own: []string{"evaluate/picture", "evaluate/picture/jpeg", "internal/npy"}},
		"evaluate": {own: []string{"onnxio", "tokenize", "tokenize/align", "evaluate/dataset", "generator/compute"},
			others: []string{tensor, "github.com/yalue/onnxruntime_go", "github.com/ebitengine/purego"}},
		"evaluate/report":        {own: []string{"evaluate"}},
		"evaluate/fetch":         {},
		"fixtures":               {},
		"fixtures/make":          {},
		"fixtures/published":     {},
		"fixtures/published/zoo": {own: []string{"fixtures/published"}},
		"internal/atomicfile":    {others: []string{system}},
		"internal/npy":           {},
		"internal/order":         {},
		"internal/peer":          {},
		"internal/shareddata":    {},
		"internal/zootest":       {own: []string{"fixtures", "onnxio", "tokenize"}},
	}
}

// mayImportAll tells whether path is a command, which puts everything together.
func mayImportAll(path string) bool { return strings.HasPrefix(path, "cmd/") }

// breaches gives one sentence for each import that no rule allows, and for each
// package without a rule. imports has the direct imports of each package of the
// module, both as full import paths.
func breaches(imports map[string][]string) []string {
	var found []string
	for full, list := range imports {
		path := strings.TrimPrefix(full, module+"/")
		if mayImportAll(path) {
			continue
		}
		r, ok := rules()[path]
		if !ok {
			found = append(found, fmt.Sprintf("%s has no rule: give it one in internal/order", path))
			continue
		}
		for _, imported := range list {
			if !r.allows(imported) {
				found = append(found, fmt.Sprintf("%s imports %s, which its rule does not allow", path, imported))
			}
		}
	}
	slices.Sort(found)
	return found
}

func (r rule) allows(imported string) bool {
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		return strings.HasPrefix(own, "internal/") || slices.Contains(r.own, own)
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(r.others, func(prefix string) bool { return strings.HasPrefix(imported, prefix) })
}

func TestPackagesImportInOneDirection(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		imports[p.ImportPath] = p.Imports
	}
	for path := range rules() {
		if _, ok := imports[module+"/"+path]; !ok {
			t.Errorf("%s has a rule, but go list does not know it", path)
		}
	}
	for _, b := range breaches(imports) {
		t.Error(b)
	}
}

func TestBreachesAreFound(t *testing.T) {
	for _, c := range []struct {
		name, from, imported string
		allowed              bool
	}{
		{"standard library", "rpg/fixtures", "io/fs", true},
		{"one step back", "rpg/tokenize", "rpg/onnxio", true},
		{"internal", "rpg/onnxio", "rpg/internal/atomicfile", true},
		{"required package in its place", "rpg/evaluate", "github.com/yalue/onnxruntime_go", true},
		{"command", "rpg/cmd/rpg", "rpg/generator/compute/cpu", true},
		{"forward", "rpg/onnxio", "rpg/tokenize", false},
		{"forward by two", "rpg/tokenize", "rpg/generator", false},
		{"generator to cuda", "rpg/generator", "rpg/cuda", false},
		{"cuda to generator", "rpg/cuda", "rpg/generator", false},
		{"generator to a device", "rpg/generator", "rpg/generator/compute/cpu", false},
		{"interface to a device", "rpg/generator/compute", "rpg/generator/compute/cpu", false},
		{"device to device", "rpg/generator/compute/cpu", "rpg/cuda", false},
		{"evaluate to generator", "rpg/evaluate", "rpg/generator", false},
		{"a command", "rpg/evaluate", "rpg/cmd/rpg", false},
		{"fixtures", "rpg/fixtures", "rpg/onnxio", false},
		{"another module", "rpg/generator/compute", "gorgonia.org/tensor", false},
		{"another module, allowed elsewhere", "rpg/tokenize", "github.com/yalue/onnxruntime_go", false},
		{"unknown package", "rpg/misc", "fmt", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := breaches(map[string][]string{c.from: {c.imported}})
			if c.allowed != (len(found) == 0) {
				t.Errorf("%s imports %s: %q, expected allowed to be %v", c.from, c.imported, found, c.allowed)
			}
		})
	}
}
