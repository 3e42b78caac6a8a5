package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

func (s *session) versionVerb() verb {
	return verb{
		name: "version", usage: "print the version",
		examples: "rpg version\nrpg version --json",
		run: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if s.json {
				return s.answerJSON(struct {
					Schema   string `json:"schema"`
					Version  string `json:"version"`
					Go       string `json:"go"`
					Platform string `json:"platform"`
				}{"rpg.version/1", versionText(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			s.printf("rpg %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// versionText is the module's version as the Go tool recorded it, or the
// revision it was built from.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	version, changed := "devel", ""
	for _, e := range info.Settings {
		switch e.Key {
		case "vcs.revision":
			version = fmt.Sprintf("devel-%.12s", e.Value)
		case "vcs.modified":
			if e.Value == "true" {
				changed = "+changes"
			}
		}
	}
	return version + changed
}

// noArguments refuses arguments after a verb that takes none.
func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("rpg "+c.Command.Name+" -h shows how it is used", "%s takes no arguments, found %q", c.Command.Name, c.Args().First())
	}
	return nil
}

// someArguments refuses an empty list of arguments.
func someArguments(c *cli.Context, what string) error {
	if c.NArg() == 0 {
		return usagef("rpg "+c.Command.Name+" -h shows examples", "%s needs %s", c.Command.Name, what)
	}
	return nil
}
