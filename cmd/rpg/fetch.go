package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"rpg/evaluate/fetch"
)

// fetchNames are what `rpg fetch` takes.
var fetchNames = []string{"cifar10", "onnxruntime", "list"}

func (s *session) fetchVerb() verb {
	return verb{
		name: "fetch", usage: "bring data and runtime into the cache, verified by SHA-256",
		arguments: "cifar10|onnxruntime|list",
		description: "The answer is the path of what was fetched or found. No other command uses the network.\n" +
			"The cache is $XDG_CACHE_HOME/rpg, or ~/.cache/rpg.",
		examples: "rpg fetch onnxruntime\nrpg fetch cifar10\nrpg fetch list --json",
		run: func(c *cli.Context) error {
			if err := someArguments(c, "one of cifar10, onnxruntime, list"); err != nil {
				return err
			}
			for _, name := range c.Args().Slice() {
				if !slices.Contains(fetchNames, name) {
					return usagef(didYouMean(name, fetchNames, "rpg fetch ", "rpg fetch list shows what there is"),
						"fetch: expected cifar10, onnxruntime or list, found %q", name)
				}
			}
			if slices.Contains(c.Args().Slice(), "list") {
				if c.NArg() > 1 {
					return usagef("rpg fetch list", "fetch list stands alone")
				}
				return s.fetchList()
			}
			return s.fetchAll(c.Args().Slice())
		},
	}
}

// fetched is one item of the JSON answer.
type fetched struct {
	Name    string `json:"name"`
	About   string `json:"about,omitempty"`
	Path    string `json:"path"` // "" when it is not on this machine
	Version string `json:"version,omitempty"`
	How     string `json:"how,omitempty"`
}

func (s *session) answerFetched(items []fetched) error {
	return s.answerJSON(struct {
		Schema string    `json:"schema"`
		Items  []fetched `json:"items"`
	}{"rpg.fetch/1", items})
}

func (s *session) fetchAll(names []string) error {
	log := func(line string) { s.say("%s", line) }
	var items []fetched
	for _, name := range names {
		item := fetched{Name: name}
		var err error
		if name == "cifar10" {
			item.Path, err = fetch.CIFAR10(s.ctx, log)
		} else {
			item.Path, item.Version, item.How, err = fetch.GetRuntime(s.ctx, log)
		}
		if err != nil {
			return err
		}
		items = append(items, item)
	}
	if s.json {
		return s.answerFetched(items)
	}
	for _, i := range items {
		if i.Version != "" {
			s.say("onnxruntime %s, %s", i.Version, i.How)
		}
		s.printf("%s\n", i.Path)
	}
	return nil
}

func (s *session) fetchList() error {
	list, err := fetch.List()
	if err != nil {
		return err
	}
	var items []fetched
	for _, i := range list {
		items = append(items, fetched{Name: i.Name, About: i.About, Path: i.Path, How: i.How})
	}
	if s.json {
		return s.answerFetched(items)
	}
	t := table{{"NAME", "PATH", "ABOUT"}}
	for _, i := range items {
		path := i.Path
		if path == "" {
			path = "not-here"
		}
		t = append(t, []string{i.Name, path, i.About})
	}
	t.write(s.out)
	return nil
}
