package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rpg/generator"
)

// configSeeds are configuration files that the fuzzer starts from: right ones
// first, then one for each kind of wrong.
func configSeeds() (right, wrong map[string]string) {
	resolved, err := generator.Resolve(50_000, []generator.Override{{Key: "preset", Value: "paper"}})
	if err != nil {
		panic("the preset paper is not valid")
	}
	right = map[string]string{
		"preset":  configText(resolved.Config),
		"comment": "# of this project\n\nsteps: 300 # enough\nwarmup: 10\n---\n",
		"lists":   "channels: [1, 8, 8, 1]\nexclude:\n  - '*.bias'\n  - head.*\n",
		"quoted":  "preset: \"f\\u0061st\"\nlr: '1e-3'\nstats: |-\n  paper\n",
		"numbers": "seed: 18446744073709551615\nlr: 1E-3\nema: .5\nresidual: false\nwidth: 512\nbeta-max: 0.999\n",
		"nothing": "",
	}
	wrong = map[string]string{
		"mapping":    "steps: {many: 1}\n",
		"none":       "steps:\n",
		"none_in":    "channels: [1, ~, 1]\n",
		"list_in":    "channels: [1, [2], 1]\n",
		"list":       "- steps\n",
		"text":       "steps\n",
		"twice":      "steps: 1\nsteps: 2\n",
		"two":        "steps: 1\n---\nsteps: 2\n",
		"alias":      "steps: &a 3\nwarmup: *a\n",
		"merge":      "<<: {steps: 3}\n",
		"tag":        "steps: !!binary aGVsbG8=\n",
		"cut":        "channels: [1, 2\n",
		"odd_key":    "[a]: 1\n",
		"deep":       "a: " + strings.Repeat("[", 9) + strings.Repeat("]", 9) + "\n",
		"deep_lines": strings.Repeat("- ", 9) + "a\n",
		"binary":     "\x00\xff: 1\n",
		"bomb":       "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
	}
	return right, wrong
}

// configText writes a configuration as a file of settings.
func configText(c generator.Config) string {
	var text strings.Builder
	for _, key := range generator.Keys() {
		fmt.Fprintf(&text, "%s: %s\n", key, c.Value(key))
	}
	return text.String()
}

// FuzzConfig: whatever the bytes are, they are refused with an error that names
// the file, or they are settings that can be written and read again as the same;
// where they make a valid configuration, so does what it is written as.
func FuzzConfig(f *testing.F) {
	right, wrong := configSeeds()
	for _, seeds := range []map[string]string{right, wrong} {
		for _, text := range seeds {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkConfig(t, data) })
}

func checkConfig(t testing.TB, data []byte) bool {
	t.Helper()
	settings, err := parseConfig("fuzz.yaml", data)
	if err != nil {
		var e *failure
		if !errors.As(err, &e) || e.code != exitUsage || !strings.HasPrefix(err.Error(), "fuzz.yaml: ") {
			t.Fatalf("refused with %v", err)
		}
		return false
	}
	var text bytes.Buffer
	var overrides []generator.Override
	for _, s := range settings {
		if s.key == "" || s.origin != "fuzz.yaml" || s.list != nil && s.value != strings.Join(s.list, ",") {
			t.Fatalf("setting %+v", s)
		}
		if s.list == nil {
			fmt.Fprintf(&text, "%s: %s\n", quoteYAML(s.key), quoteYAML(s.value))
		} else {
			quoted := make([]string, len(s.list))
			for i, v := range s.list {
				quoted[i] = quoteYAML(v)
			}
			fmt.Fprintf(&text, "%s: [%s]\n", quoteYAML(s.key), strings.Join(quoted, ", "))
		}
		if slices.Contains(generator.Keys(), s.key) {
			overrides = append(overrides, generator.Override{Key: s.key, Value: s.value, Origin: s.origin})
		}
	}
	if text.Len() <= maxConfigBytes {
		if again, err := parseConfig("fuzz.yaml", text.Bytes()); err != nil || !reflect.DeepEqual(settings, again) {
			t.Fatalf("%v: written as\n%s\nread again as %v: %v", settings, text.Bytes(), again, err)
		}
	}
	resolved, err := generator.Resolve(50_000, overrides)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "generator: ") {
			t.Fatalf("not resolved with %v", err)
		}
		return true
	}
	again, err := parseConfig("fuzz.yaml", []byte(configText(resolved.Config)))
	if err != nil {
		t.Fatalf("the configuration is written as\n%s\nwhich is refused: %v", configText(resolved.Config), err)
	}
	overrides = overrides[:0]
	for _, s := range again {
		overrides = append(overrides, generator.Override{Key: s.key, Value: s.value, Origin: s.origin})
	}
	if r, err := generator.Resolve(50_000, overrides); err != nil || !reflect.DeepEqual(r.Config, resolved.Config) {
		t.Fatalf("%+v\nis written and resolved again as\n%+v: %v", resolved.Config, r.Config, err)
	}
	return true
}

// quoteYAML is a string in double quotes.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r < ' ' || r == '"' || r == '\\' || r >= 0x7f {
			fmt.Fprintf(&b, "\\U%08x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// TestConfigSeedsAreCommitted holds the seeds in testdata/fuzz against the ones
// made here; run with UPDATE_SEEDS=1 to write them. It fails without any.
func TestConfigSeedsAreCommitted(t *testing.T) {
	right, wrong := configSeeds()
	dir := filepath.Join("testdata", "fuzz", "FuzzConfig")
	for _, seeds := range []map[string]string{right, wrong} {
		for name, text := range seeds {
			path, want := filepath.Join(dir, name), fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", text)
			if os.Getenv("UPDATE_SEEDS") == "1" {
				if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, want, 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what this test makes: %v", path, err)
			}
		}
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) == 0 {
		t.Errorf("FuzzConfig has no seeds: %v", err)
	}
	for name, text := range right {
		if !checkConfig(t, []byte(text)) {
			_, err := parseConfig("fuzz.yaml", []byte(text))
			t.Errorf("%s is refused: %v", name, err)
		}
	}
	for name, text := range wrong {
		if checkConfig(t, []byte(text)) {
			t.Errorf("%s is accepted", name)
		}
	}
}
