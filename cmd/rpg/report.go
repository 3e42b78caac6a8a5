package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"rpg/evaluate/report"
	"rpg/generator"
)

func (s *session) reportVerb() verb {
	return verb{
		name: "report", usage: "one self-contained HTML page of evaluations and trainings", arguments: "RESULT.json|RUN... -o FILE.html",
		description: "Takes, in any order and number, what rpg evaluate --json wrote, what rpg generate --json\n" +
			"wrote, and run folders, and tells them apart by what is in them. The page holds figures,\n" +
			"tables, and where all of it comes from; it needs no network and no scripts.\n" +
			"rpg evaluate --report FILE.html writes the page of one evaluation at once.",
		examples: "rpg report result.json -o report.html\n" +
			"rpg report result.json run generation.json -o report.html\n" +
			"rpg report run -o training.html",
		run: s.report,
	}
}

func (s *session) report(c *cli.Context) error {
	if err := someArguments(c, "a result of rpg evaluate --json, or a run folder"); err != nil {
		return err
	}
	if s.json {
		return usagef("the JSON of a report is what rpg evaluate --json writes", "report writes HTML and knows no --json")
	}
	page := report.Page{Version: versionText(), Command: s.words}
	for _, path := range c.Args().Slice() {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			training, err := readTraining(path)
			if err != nil {
				return withHint(err, "give a folder that rpg train wrote, or the JSON of rpg evaluate")
			}
			page.Runs = append(page.Runs, training)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := page.Read(path, data); err != nil {
			return err
		}
	}
	return report.Write(s.out, page)
}

// readTraining reads what a run folder says about its training.
func readTraining(dir string) (*report.Training, error) {
	run, err := generator.Open(dir)
	if err != nil {
		return nil, err
	}
	t := &report.Training{Dir: dir, Models: run.Zoo.Count, Sources: run.Zoo.Sources, ZooSHA256: run.Zoo.SHA256,
		ConfigSHA256: run.Config.SHA256(), Signature: run.Zoo.Signature}
	text, err := json.Marshal(run.Config)
	if err != nil {
		return nil, err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	for _, key := range generator.Keys() {
		value := string(values[key])
		var word string
		if json.Unmarshal(values[key], &word) == nil {
			value = word
		}
		t.Settings = append(t.Settings, report.Setting{Key: key, Value: value, Origin: run.Origins[key]})
	}
	path := filepath.Join(dir, "metrics.jsonl")
	lines, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil // its training never began
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, t.ReadMetrics(path, lines)
}
