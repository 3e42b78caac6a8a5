package main

import (
	"embed"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/generator"
	"rpg/tokenize"
)

//go:embed completion
var completionFiles embed.FS

// completeWord is the hidden first word with which the completion scripts ask.
// It is looked at before anything else, so that completing never runs a verb:
// the completion that the cli package brings runs the command on --<TAB>.
const completeWord = "__complete"

var shells = []string{"bash", "zsh", "fish", "powershell"}

func (s *session) completionVerb() verb {
	return verb{
		name: "completion", usage: "print a completion script", arguments: strings.Join(shells, "|"),
		examples: "source <(rpg completion bash)\nrpg completion zsh > \"${fpath[1]}/_rpg\"\n" +
			"rpg completion fish > ~/.config/fish/completions/rpg.fish\nrpg completion powershell >> $PROFILE",
		run: func(c *cli.Context) error {
			if c.NArg() != 1 || !slices.Contains(shells, c.Args().First()) {
				return usagef(didYouMean(c.Args().First(), shells, "rpg completion ", "rpg completion bash"),
					"completion: expected one of %s, found %q", strings.Join(shells, ", "), strings.Join(c.Args().Slice(), " "))
			}
			text, err := completionFiles.ReadFile("completion/rpg." + c.Args().First())
			s.printf("%s", text)
			return err
		},
	}
}

// choices are the values of flags and arguments that are known by name.
func choices(name string) []string {
	switch name {
	case "device":
		return []string{"auto", "cpu", "cuda"}
	case "data", "eval-data":
		return []string{"cifar10", "cifar10:"}
	case "preset":
		return generator.Presets
	case "sampler":
		return generator.Samplers
	case "sort":
		return diffOrders
	case "stats":
		return []string{tokenize.StatsPooled, tokenize.StatsPaper}
	case "granularity":
		return []string{tokenize.GranularityTensor}
	case "state":
		return []string{"random", "mean"}
	case "completion":
		return shells
	case "fetch":
		return fetchNames
	case "bench":
		return benchNames
	}
	return nil
}

// complete answers with one candidate a line, a tab and its description behind
// it. The last word is the one being written. No candidates: the shell offers
// files.
func (s *session) complete(words []string) error {
	if len(words) == 0 {
		words = []string{""}
	}
	current, before := words[len(words)-1], words[:len(words)-1]
	if current == `""` { // PowerShell cannot pass an empty word
		current = ""
	}
	if slices.Contains(before, "--") {
		return nil // files only
	}
	// bash cuts --flag=value into three words.
	if current == "=" && len(before) > 0 {
		current = ""
	} else if n := len(before); n > 1 && before[n-1] == "=" {
		before = before[:n-1]
	}
	app := s.app()
	var command *cli.Command
	for _, w := range before {
		if command = app.Command(w); command != nil {
			break
		}
	}
	flags := commonFlags()
	if command != nil {
		flags = command.Flags
	}
	offer := func(word, description string) {
		if strings.HasPrefix(word, current) {
			s.printf("%s\t%s\n", word, description)
		}
	}
	if n := len(before); n > 0 && isFlag(before[n-1]) && !strings.Contains(before[n-1], "=") {
		name := strings.TrimLeft(before[n-1], "-")
		if f := findFlag(flags, name); f != nil && takesValue(f) {
			for _, v := range choices(f.Names()[0]) {
				offer(v, "")
			}
			return nil
		}
	}
	if name, _, hasValue := splitFlag(current); isFlag(current) && hasValue {
		for _, v := range choices(name) {
			offer("--"+name+"="+v, "")
		}
		return nil
	}
	switch {
	case strings.HasPrefix(current, "-"):
		for _, f := range flags {
			usage := ""
			if d, ok := f.(cli.DocGenerationFlag); ok {
				usage = strings.ReplaceAll(d.GetUsage(), "`", "")
			}
			offer("--"+f.Names()[0], usage)
		}
		offer("--help", "show help")
	case command == nil:
		for _, c := range app.Commands {
			offer(c.Name, c.Usage)
		}
	case command.Name == "help":
		for _, t := range topics {
			offer(t.name, t.usage)
		}
		for _, c := range app.Commands {
			offer(c.Name, c.Usage)
		}
	default:
		for _, v := range choices(command.Name) {
			offer(v, "")
		}
	}
	return nil
}
