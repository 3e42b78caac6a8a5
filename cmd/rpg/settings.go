package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// setting is one key of --set or of a configuration file. A list in a file is in
// list; value has it with commas, as a flag would.
type setting struct {
	key, value, origin string
	list               []string
}

// notInFiles are flags that make no sense as a key of --set or --config.
var notInFiles = []string{"config", "set", "help", "dry-run"}

// settle applies --set and --config to the flags of c that are not on the
// command line: flag > --set > --config > default. Keys in extra, which are
// settings without a flag of their own, are kept in s.settings.
func (s *session) settle(c *cli.Context, extra []string) error {
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; c.IsSet(name) {
			s.origin[name] = "flag"
		}
	}
	var given []setting
	for _, text := range c.StringSlice("set") {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("write --set key=value", "--set %s: expected key=value", text)
		}
		given = append(given, setting{key: key, value: value, origin: "--set"})
	}
	if path := c.String("config"); path != "" {
		fromFile, err := readConfig(path)
		if err != nil {
			return err
		}
		given = append(given, fromFile...)
	}
	known := append(flagNames(c.Command.Flags), extra...)
	known = slices.DeleteFunc(known, func(n string) bool { return slices.Contains(notInFiles, n) })
	for _, g := range given {
		f := findFlag(c.Command.Flags, g.key)
		if !slices.Contains(known, g.key) && (f == nil || slices.Contains(notInFiles, g.key)) {
			return usagef(didYouMean(g.key, known, "", "rpg "+c.Command.Name+" -h lists the settings"),
				"%s: unknown setting %q", g.origin, g.key)
		}
		if f == nil {
			if !slices.ContainsFunc(s.settings, func(e setting) bool { return e.key == g.key && e.origin != g.origin }) {
				s.settings = append(s.settings, g)
			}
			continue
		}
		name := f.Names()[0]
		if o, ok := s.origin[name]; ok && o != g.origin {
			continue // something stronger has set it
		}
		values := []string{g.value}
		if _, many := f.(*cli.StringSliceFlag); many && g.list != nil {
			values = g.list
		}
		for _, v := range values {
			if err := c.Set(name, v); err != nil {
				return usagef("", "%s: %s: expected %s, found %q", g.origin, g.key, kindOf(f), v)
			}
		}
		s.origin[name] = g.origin
	}
	return nil
}

// kindOf says what a flag's value must be.
func kindOf(f cli.Flag) string {
	switch f.(type) {
	case *cli.BoolFlag:
		return "true or false"
	case *cli.IntFlag, *cli.Int64Flag:
		return "a whole number"
	case *cli.UintFlag, *cli.Uint64Flag:
		return "a whole number, 0 or more"
	case *cli.Float64Flag:
		return "a number"
	}
	return "text"
}

// badValue turns the parser's words about a flag into ours.
func badValue(c *cli.Context, err error, _ bool) error {
	rest, ok := strings.CutPrefix(err.Error(), "invalid value ")
	if !ok {
		rest, ok = strings.CutPrefix(err.Error(), "invalid boolean value ")
	}
	value, rest, ok2 := strings.Cut(rest, " for ")
	name, _, ok3 := strings.Cut(strings.TrimPrefix(rest, "flag "), ":")
	if !ok || !ok2 || !ok3 {
		return usagef("", "%s", err)
	}
	name = strings.TrimLeft(name, "-")
	f := findFlag(c.Command.Flags, name)
	return usagef("rpg "+c.Command.Name+" -h explains the flags", "--%s: expected %s, found %s", name, kindOf(f), value)
}

// printSettings lists every setting with its value and origin.
func (s *session) printSettings(c *cli.Context) error {
	type row struct {
		Key    string `json:"key"`
		Value  any    `json:"value"`
		Origin string `json:"origin"`
	}
	rows := []row{}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if slices.Contains(notInFiles, name) {
			continue
		}
		origin := s.origin[name]
		if origin == "" {
			origin = "default"
		}
		value := c.Value(name)
		if list, ok := value.(cli.StringSlice); ok {
			value = strings.Join(list.Value(), " ")
		}
		rows = append(rows, row{name, value, origin})
	}
	for _, e := range s.settings {
		rows = append(rows, row{e.key, e.value, e.origin})
	}
	if s.json {
		return s.answerJSON(struct {
			Schema    string   `json:"schema"`
			Command   string   `json:"command"`
			Arguments []string `json:"arguments"`
			Settings  []row    `json:"settings"`
		}{"rpg.settings/1", c.Command.Name, append([]string{}, c.Args().Slice()...), rows})
	}
	t := table{{"SETTING", "VALUE", "ORIGIN"}}
	for _, r := range rows {
		t = append(t, []string{r.Key, fmt.Sprint(r.Value), r.Origin})
	}
	t.write(s.out)
	return nil
}
