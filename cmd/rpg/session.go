package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"rpg/internal/atomicfile"
	"rpg/onnxio"
)

// session is one run of the program: its streams and the flags every verb has.
type session struct {
	ctx      context.Context
	words    []string // of the command line, the first one "rpg"
	stdout   io.Writer
	stderr   io.Writer
	terminal bool // stderr is a terminal: bars and colour are welcome

	out    *bufio.Writer // the answer
	file   *bytes.Buffer // the answer when -o names a file, else nil
	output string        // -o

	json, quiet, verbose, force, dryRun, colour bool

	bar *progressbar.ProgressBar // on the terminal now, nil for none

	limits onnxio.Limits // of the models it opens

	origin   map[string]string // where the value of a flag came from; absent: default
	settings []setting         // keys of --set and --config that are not flags, in order
}

func newSession(ctx context.Context, stdout, stderr io.Writer) *session {
	s := &session{ctx: ctx, stdout: stdout, stderr: stderr, out: bufio.NewWriter(stdout), origin: map[string]string{}}
	if f, ok := stderr.(*os.File); ok {
		s.terminal = term.IsTerminal(int(f.Fd()))
	}
	s.colour = s.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// commonFlags are the flags of every verb.
func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `PATH` instead of stdout", Category: everywhere},
		&cli.BoolFlag{Name: "json", Usage: "answer in JSON", Category: everywhere},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but warnings and errors", Category: everywhere},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say more", Category: everywhere},
		&cli.BoolFlag{Name: "no-color", Usage: "no colour (also: NO_COLOR in the environment)", Category: everywhere},
		&cli.BoolFlag{Name: "dry-run", Usage: "print the resolved settings and their origin, touch nothing", Category: everywhere},
		&cli.BoolFlag{Name: "force", Usage: "overwrite what is already there", Category: everywhere},
		limitFlag(),
		&cli.StringFlag{Name: "config", Usage: "read settings from the YAML `FILE`; its keys are flag names", Category: everywhere},
		&cli.StringSliceFlag{Name: "set", Usage: "set one setting, `KEY=VALUE`; may be repeated", Category: everywhere},
	}
}

// everywhere and compute are the headings of the flags that verbs share.
const (
	everywhere = "Flags of every command:"
	computing  = "Compute:"
)

// computeFlags are the flags of the verbs that calculate.
func computeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "device", Value: "auto", Usage: "`auto`, cpu, cuda or cuda:N; auto is the first GPU, or the CPU where there is none", Category: computing},
		&cli.IntFlag{Name: "threads", Usage: "worker threads, 0 for one on each core; results do not depend on it", Category: computing},
		&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "random seed; the same seed gives the same bytes", Category: computing},
	}
}

// read takes the common flags of c.
func (s *session) read(c *cli.Context) (err error) {
	s.json, s.quiet, s.verbose = c.Bool("json"), c.Bool("quiet"), c.Bool("verbose")
	s.force, s.dryRun, s.output = c.Bool("force"), c.Bool("dry-run"), c.String("output")
	if c.Bool("no-color") {
		s.colour = false
	}
	s.limits, err = limitsOf(c)
	return err
}

// answerTo sends the answer to the file named by -o, which must be new (or
// --force given) and none of the inputs.
func (s *session) answerTo(inputs []string) error {
	if s.output == "" {
		return nil
	}
	if err := s.refuseInput(s.output, inputs); err != nil {
		return err
	}
	if _, err := os.Stat(s.output); err == nil && !s.force {
		return failedf("--force overwrites it", "%s: the file exists", s.output)
	}
	s.file = &bytes.Buffer{}
	s.out = bufio.NewWriter(s.file)
	return nil
}

// refuseInput fails when the output is one of the inputs, under any name.
func (s *session) refuseInput(output string, inputs []string) error {
	o, err := os.Stat(output)
	if err != nil {
		return nil // a file that is not there is not an input
	}
	for _, path := range inputs {
		if i, err := os.Stat(path); err == nil && os.SameFile(i, o) {
			return failedf("choose another name after -o", "%s: the output is also an input", output)
		}
	}
	return nil
}

// finish delivers the answer: to stdout, or to the file of -o, complete or not
// at all.
func (s *session) finish(err error) error {
	var f *failure
	if s.file != nil && err != nil && !errors.Is(err, errNo) && !(errors.As(err, &f) && f.told) {
		return err
	}
	if e := s.out.Flush(); e != nil && err == nil {
		return fmt.Errorf("standard output: %w", e)
	}
	if s.file == nil {
		return err
	}
	e := atomicfile.Write(s.output, s.force, func(w io.Writer) error {
		_, err := w.Write(s.file.Bytes())
		return err
	})
	if e != nil {
		return e
	}
	return err
}

// answerJSON writes one object.
func (s *session) answerJSON(v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// event writes one JSON line at once.
func (s *session) event(v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return s.out.Flush()
}

// printf writes a part of the answer.
func (s *session) printf(format string, a ...any) { fmt.Fprintf(s.out, format, a...) }

// say narrates on stderr; -q silences it.
func (s *session) say(format string, a ...any) {
	if !s.quiet {
		s.note("rpg: "+format+"\n", a...)
	}
}

// note writes to stderr, in place of the bar if there is one: the bar draws
// itself again below.
func (s *session) note(format string, a ...any) {
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	fmt.Fprintf(s.stderr, format, a...)
}

// detail narrates with -v only.
func (s *session) detail(format string, a ...any) {
	if s.verbose {
		s.say(format, a...)
	}
}

// warn is never silenced.
func (s *session) warn(format string, a ...any) {
	s.note("rpg: %s "+format+"\n", append([]any{s.paint("33", "warning:")}, a...)...)
}

// paint colours a word that says by itself what the colour says.
func (s *session) paint(code, word string) string {
	if !s.colour {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}
