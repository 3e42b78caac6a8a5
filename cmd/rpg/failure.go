package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes, as `rpg help exit-codes` lists them.
const (
	exitDone        = 0
	exitFailed      = 1   // file, device, network, invalid input
	exitUsage       = 2   // usage or configuration
	exitNo          = 3   // a question was answered "no"
	exitNumerics    = 4   // training diverged
	exitInterrupted = 130 // stopped by a signal, after saving
)

// failure is an error that knows with which code the program ends and what
// the user can do about it. Any other error ends with exitFailed.
type failure struct {
	code int
	err  error
	hint string // one line, "" for none
	own  bool   // the words are ours, not a package's
	told bool   // the answer is there all the same, and is delivered
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// Hint says what to do.
func (f *failure) Hint() string { return f.hint }

// usagef is a wrong command line or configuration: exit code 2.
func usagef(hint, format string, a ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, a...), hint: hint, own: true}
}

// failedf is everything a file, a device or the network can cause: exit code 1.
func failedf(hint, format string, a ...any) error {
	return &failure{code: exitFailed, err: fmt.Errorf(format, a...), hint: hint, own: true}
}

// errNo is the answer "no" of a verb that has already said why on its own.
var errNo = &failure{code: exitNo, err: errors.New("no")}

// hinter is met by every error that says what to do, here or in a package.
type hinter interface{ Hint() string }

// withHint gives err a hint unless it has one, is nil, or says that the work
// was cancelled.
func withHint(err error, hint string) error {
	var h hinter
	if err == nil || errors.As(err, &h) || errors.Is(err, context.Canceled) {
		return err
	}
	return &failure{code: exitFailed, err: err, hint: hint}
}

// exitCode is the code with which err ends the program.
func exitCode(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// packageNames stand before every error of a package ("onnxio: FILE: what").
// A user of the command line has no use for them.
var packageNames = []string{"onnxio", "secondreader", "compare", "tokenize", "tokenset", "safetensors", "generator", "compute", "cpu", "evaluate", "report", "fetch", "atomicfile", "fixtures"}

// withoutPackage cuts the names of packages from the beginning of an error.
func withoutPackage(text string) string {
	for _, name := range packageNames {
		if rest, ok := strings.CutPrefix(text, name+": "); ok {
			return withoutPackage(rest)
		}
	}
	return text
}

// reportError writes err as "rpg: error: …" and "rpg: hint: …".
func reportError(w io.Writer, err error, label string) {
	if errors.Is(err, errNo) {
		return
	}
	var f *failure
	if !errors.As(err, &f) && errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "rpg: interrupted")
		return
	}
	text := err.Error()
	if f == nil || !f.own {
		text = withoutPackage(text)
	}
	fmt.Fprintf(w, "rpg: %s %s\n", label, text)
	var h hinter
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(w, "rpg: hint: %s\n", h.Hint())
	}
}
