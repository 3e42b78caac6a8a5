package main

import (
	"embed"
	"strings"

	"github.com/urfave/cli/v2"
)

//go:embed topics/*.txt
var topicFiles embed.FS

// topics are the pages of `rpg help TOPIC`, in the order of the list.
var topics = []struct{ name, usage string }{
	{"exit-codes", "what the exit codes mean"},
	{"config", "settings: flags, --set, --config, and which wins"},
	{"run-folder", "what is in the folder that train writes"},
	{"presets", "the two sets of settings for training"},
	{"devices", "CPU and GPU: which one calculates, and what it needs"},
	{"novelty", "how evaluate tells new models from copies"},
	{"data", "images to score on, and how they become network input"},
}

const appHelp = `rpg: {{.Usage}}

Usage:
  rpg COMMAND [flags] ARGUMENTS     flags and arguments in any order, -- ends flags

Commands:
{{range .VisibleCommands}}  {{join .Names ", "}}{{"\t"}}{{.Usage}}
{{end}}
Begin with:
  rpg demo                          everything once, on an embedded zoo
  rpg COMMAND -h                    flags and examples of a command
  rpg help TOPIC                    ` + "exit-codes, config, run-folder, presets, devices, novelty, data" + `
`

// commandHelp is the template for one command: usage, examples, flags.
func commandHelp(examples string) string {
	var b strings.Builder
	b.WriteString("rpg {{.Name}}: {{.Usage}}\n\nUsage:\n  {{.UsageText}}\n")
	b.WriteString("{{if .Aliases}}  alias: {{join .Aliases \", \"}}\n{{end}}")
	b.WriteString("{{if .Description}}\n{{.Description}}\n{{end}}")
	if examples != "" {
		b.WriteString("\nExamples:\n")
		for line := range strings.SplitSeq(examples, "\n") {
			b.WriteString("  " + line + "\n")
		}
	}
	b.WriteString("{{range .VisibleFlagCategories}}\n{{if .Name}}{{.Name}}{{else}}Flags:{{end}}\n{{range .Flags}}  {{.}}\n{{end}}{{end}}")
	return b.String()
}

// helpCommand is `rpg help [COMMAND|TOPIC]`. It takes no other flags.
func (s *session) helpCommand(app *cli.App) *cli.Command {
	return s.command(verb{
		name: "help", usage: "help on a command or a topic", arguments: "[COMMAND|TOPIC]",
		examples: "rpg help train\nrpg help exit-codes",
		run: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usagef("rpg help lists them", "help takes one command or topic")
			}
			name := c.Args().First()
			if name == "" {
				cli.HelpPrinter(s.out, appHelp, app)
				s.printf("\nTopics:\n")
				for _, t := range topics {
					s.printf("  %-12s  %s\n", t.name, t.usage)
				}
				return nil
			}
			if text, err := topicFiles.ReadFile("topics/" + name + ".txt"); err == nil {
				s.printf("%s", text)
				return nil
			}
			if command := app.Command(name); command != nil {
				cli.HelpPrinter(s.out, command.CustomHelpTemplate, command)
				return nil
			}
			names := commandNames(app)
			for _, t := range topics {
				names = append(names, t.name)
			}
			return usagef(didYouMean(name, names, "rpg help ", "rpg help lists commands and topics"), "no help on %q", name)
		},
	})
}
