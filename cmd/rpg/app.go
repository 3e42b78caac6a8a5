package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// verb is one command of rpg.
type verb struct {
	name, alias string
	usage       string // one line
	arguments   string // what stands after the flags, for the help
	description string
	examples    string // command lines, one a line
	flags       []cli.Flag
	// keys are settings of --set and --config that have no flag.
	keys func() []string
	// ownOutput: -o is not a file for the answer. ownPlan: the verb answers
	// --dry-run itself.
	ownOutput, ownPlan bool
	run                func(c *cli.Context) error
}

// verbs lists every command in the order of the help.
func (s *session) verbs() []verb {
	return []verb{
		s.inspectVerb(), s.diffVerb(), s.checkVerb(), s.fetchVerb(),
		s.alignVerb(), s.tokenizeVerb(), s.detokenizeVerb(),
		s.trainVerb(), s.generateVerb(), s.evaluateVerb(), s.reportVerb(),
		s.demoVerb(), s.benchVerb(), s.doctorVerb(),
		s.completionVerb(), s.versionVerb(), s.manVerb(),
	}
}

// app is the command tree of one session.
func (s *session) app() *cli.App {
	app := &cli.App{
		Name:                      "rpg",
		UsageText:                 "rpg COMMAND [flags] ARGUMENTS",
		Usage:                     "learn to generate the weights of ONNX models",
		Version:                   versionText(),
		HideVersion:               true, // -v is --verbose; `rpg version` and --version say it
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true, // file names may hold commas
		Writer:                    s.out,
		ErrWriter:                 s.stderr,
		ExitErrHandler:            func(*cli.Context, error) {}, // run decides
		CustomAppHelpTemplate:     appHelp,
	}
	for _, v := range s.verbs() {
		app.Commands = append(app.Commands, s.command(v))
	}
	app.Commands = append(app.Commands, s.helpCommand(app))
	return app
}

// command wraps a verb: settings first, then the work, then the answer.
func (s *session) command(v verb) *cli.Command {
	c := &cli.Command{
		Name: v.name, Usage: v.usage, ArgsUsage: v.arguments, Description: v.description,
		UsageText:          "rpg " + v.name + " [flags] " + v.arguments,
		Flags:              append(v.flags, commonFlags()...),
		CustomHelpTemplate: commandHelp(v.examples),
		HideHelpCommand:    true, // a file may be called "help"
		OnUsageError:       badValue,
	}
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // "(default: false)" says nothing
		}
	}
	if v.alias != "" {
		c.Aliases = []string{v.alias}
	}
	c.Action = func(c *cli.Context) error {
		var keys []string
		if v.keys != nil {
			keys = v.keys()
		}
		if err := s.settle(c, keys); err != nil {
			return err
		}
		if err := s.read(c); err != nil {
			return err
		}
		if !v.ownOutput {
			if err := s.answerTo(c.Args().Slice()); err != nil {
				return err
			}
		}
		if s.dryRun && !v.ownPlan {
			return s.finish(s.printSettings(c))
		}
		return s.finish(v.run(c))
	}
	return c
}

// run is the whole program; it returns the exit code.
func run(words []string, stdout, stderr io.Writer) (code int) {
	ctx, stop := interruptible(stderr)
	defer stop()
	s := newSession(ctx, stdout, stderr)
	defer func() {
		if fault := recover(); fault != nil {
			reportError(stderr, &failure{code: exitFailed, err: fmt.Errorf("internal fault: %v", fault),
				hint: "this is a defect of rpg; run the command again with -v and report what it prints, with `rpg doctor`"}, s.paint("31", "error:"))
			if s.verbose {
				fmt.Fprintf(stderr, "%s", debug.Stack())
			}
			code = exitFailed
		}
	}()
	err := s.execute(ctx, words)
	if err != nil {
		reportError(stderr, err, s.paint("31", "error:"))
	}
	return exitCode(err)
}

func (s *session) execute(ctx context.Context, words []string) error {
	if len(words) > 1 && words[1] == completeWord {
		return s.finish(s.complete(words[2:]))
	}
	if len(words) == 3 && words[1] == loadWord {
		return s.finish(s.loadModels(words[2], os.Stdin))
	}
	s.words = append([]string{"rpg"}, words[1:]...)
	app := s.app()
	if len(words) < 2 {
		app.Setup()
		cli.HelpPrinter(s.stderr, appHelp, app) // nobody asked for it: not an answer
		return usagef("rpg demo shows everything in a few minutes", "a command is missing")
	}
	words, err := arrange(app, words)
	if err != nil {
		return err
	}
	err = app.RunContext(ctx, words)
	if e := s.out.Flush(); e != nil && err == nil && s.file == nil { // help is printed without a verb
		err = fmt.Errorf("standard output: %w", e)
	}
	return err
}
