package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v2"
)

// setting is one key of --set or of a configuration file.
type setting struct{ key, value, origin string }

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
		given = append(given, setting{key, value, "--set"})
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
		if err := c.Set(name, g.value); err != nil {
			return usagef("", "%s: %s: expected %s, found %q", g.origin, g.key, kindOf(f), g.value)
		}
		s.origin[name] = g.origin
	}
	return nil
}

// readConfig reads the keys of a YAML file in their order. A list gives its
// key once for each element.
func readConfig(path string) ([]setting, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys yaml.MapSlice
	if err := yaml.Unmarshal(data, &keys); err != nil {
		return nil, usagef("the file holds lines of `key: value`; keys are flag names without dashes",
			"%s: not a YAML mapping: %s", path, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	var out []setting
	for _, item := range keys {
		key := fmt.Sprint(item.Key)
		switch v := item.Value.(type) {
		case nil:
			return nil, usagef("", "%s: %s: expected a value, found none", path, key)
		case map[string]any, yaml.MapSlice:
			return nil, usagef("keys are flag names; they are not nested", "%s: %s: expected a value, found a mapping", path, key)
		case []any:
			for _, e := range v {
				out = append(out, setting{key, fmt.Sprint(e), path})
			}
		default:
			out = append(out, setting{key, fmt.Sprint(v), path})
		}
	}
	return out, nil
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
