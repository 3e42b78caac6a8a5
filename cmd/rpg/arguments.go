package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// severalValues is the flag that takes every word up to the next flag:
// `evaluate NEW... --against OLD OLD OLD`. It may be given more than once.
const severalValues = "against"

// arrange puts the words of a command line into the order that the parser
// understands: [rpg VERB flags... -- arguments...]. Which flags take a value is
// known from the definitions. "--" ends the flags. Words that begin with "-"
// before the verb are flags of the verb.
func arrange(app *cli.App, words []string) ([]string, error) {
	program, words := words[0], words[1:]
	name, rest, err := takeVerb(app, words)
	if err != nil {
		return nil, err
	}
	command := app.Command(name)
	if command == nil {
		return nil, usagef(didYouMean(name, commandNames(app), "rpg ", `"rpg help" lists the commands`),
			"unknown command %q", name)
	}
	flags, arguments, err := permute(command, rest)
	if err != nil {
		return nil, err
	}
	out := append([]string{program, name}, flags...)
	if len(arguments) > 0 {
		out = append(append(out, "--"), arguments...)
	}
	return out, nil
}

// takeVerb finds the verb: the first word that is neither a flag nor the value
// of one. It returns the other words in their order. Without a verb, -h means
// help and --version means version.
func takeVerb(app *cli.App, words []string) (name string, rest []string, err error) {
	for i := 0; i < len(words) && words[i] != "--"; i++ {
		if !isFlag(words[i]) {
			return words[i], append(slices.Clone(words[:i]), words[i+1:]...), nil
		}
		flag, _, hasValue := splitFlag(words[i])
		for _, c := range app.Commands {
			if f := findFlag(c.Flags, flag); f != nil && takesValue(f) && !hasValue {
				i++
				break
			}
		}
	}
	for i, w := range words {
		switch flag, _, _ := splitFlag(w); {
		case flag == "h" || flag == "help":
			return "help", append(slices.Clone(words[:i]), words[i+1:]...), nil
		case flag == "version":
			return "version", append(slices.Clone(words[:i]), words[i+1:]...), nil
		}
	}
	return "", nil, usagef(`"rpg help" lists the commands`, "a command is missing")
}

// permute separates flags (with their values) from arguments and refuses
// unknown flags and missing values.
func permute(command *cli.Command, words []string) (flags, arguments []string, err error) {
	help := "rpg " + command.Name + " -h lists the flags"
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w == "--" {
			return flags, append(arguments, words[i+1:]...), nil
		}
		if !isFlag(w) {
			arguments = append(arguments, w)
			continue
		}
		name, value, hasValue := splitFlag(w)
		if name == "h" || name == "help" {
			flags = append(flags, "--help")
			continue
		}
		f := findFlag(command.Flags, name)
		if f == nil {
			return nil, nil, usagef(didYouMean(name, flagNames(command.Flags), "--", help), "unknown flag %s", w)
		}
		long := "--" + f.Names()[0]
		switch {
		case !takesValue(f):
			if hasValue { // --json=false
				long += "=" + value
			}
			flags = append(flags, long)
		case hasValue:
			flags = append(flags, long+"="+value)
		case f.Names()[0] == severalValues:
			first := i
			for i+1 < len(words) && !isFlag(words[i+1]) && words[i+1] != "--" {
				i++
				flags = append(flags, long+"="+words[i])
			}
			if i == first {
				return nil, nil, usagef(help, "%s needs one value or more", w)
			}
		case i+1 == len(words):
			return nil, nil, usagef(help, "%s needs a value", w)
		default:
			i++
			flags = append(flags, long+"="+words[i])
		}
	}
	return flags, arguments, nil
}

// isFlag says whether a word is a flag; "-" alone and "--" are not.
func isFlag(word string) bool {
	return len(word) > 1 && word[0] == '-' && word != "--"
}

// splitFlag cuts --name=value.
func splitFlag(word string) (name, value string, hasValue bool) {
	return strings.Cut(strings.TrimLeft(word, "-"), "=")
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// flagNames are the long names, without dashes.
func flagNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				names = append(names, n)
			}
		}
	}
	return names
}

func commandNames(app *cli.App) []string {
	var names []string
	for _, c := range app.Commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return names
}

// quote makes a word safe for a shell when it must be.
func quote(word string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%"
	if word != "" && strings.Trim(word, safe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
