package onnxio

import (
	"errors"
	"fmt"
	"strings"
)

// What a caller may branch on. Every error about a file's content is an *Error
// that wraps one of them.
var (
	// ErrNotONNX: the file is something else.
	ErrNotONNX = errors.New("not an ONNX model")
	// ErrTruncated: the file ends before something that it announces.
	ErrTruncated = errors.New("the file is truncated")
	// ErrInvalid: the file is ONNX and breaks a rule of the format.
	ErrInvalid = errors.New("invalid model")
	// ErrUnsupported: the file is right and uses what this package cannot do yet.
	ErrUnsupported = errors.New("not supported yet")
	// ErrNotFinite: a value is NaN or infinite, or would be in its tensor's type.
	ErrNotFinite = errors.New("not finite")
	// ErrLimit: the file is larger or deeper in some way than Limits allow.
	ErrLimit = errors.New("over a limit")
	// ErrUnsafe: the model names a side file that it must not be given.
	ErrUnsafe = errors.New("unsafe external data")
	// ErrSelection: a pattern of Select is wrong for the model.
	ErrSelection = errors.New("selection of weights")
	// ErrSameFile: the output is the input.
	ErrSameFile = errors.New("the output is the input")
	// ErrChanged: the file was changed after it was opened.
	ErrChanged = errors.New("the file was changed after it was opened")
)

// Error says what is wrong with a file, where, what was expected and what was
// found. Fields that do not apply are empty; Offset is then -1.
type Error struct {
	File     string
	Where    string // the part of the model: `initializer 3`, `node 12 (Conv)`
	Tensor   string // the tensor's name, if it is about one and its name is known
	Offset   int64  // the byte of the file, or -1
	What     string
	Expected string
	Found    string
	Err      error // one of the Err variables, or what a system call returned
}

// Error gives all of it in one line: `onnxio: FILE: WHERE "TENSOR": WHAT at
// byte N: expected E, found F`.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "onnxio: %s: ", e.File)
	switch {
	case e.Where != "" && e.Tensor != "":
		fmt.Fprintf(&b, "%s %s: ", e.Where, short(e.Tensor))
	case e.Tensor != "":
		fmt.Fprintf(&b, "tensor %s: ", short(e.Tensor))
	case e.Where != "":
		fmt.Fprintf(&b, "%s: ", e.Where)
	}
	b.WriteString(e.What)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at byte %d", e.Offset)
	}
	switch {
	case e.Expected != "" && e.Found != "":
		fmt.Fprintf(&b, ": expected %s, found %s", e.Expected, e.Found)
	case e.Expected != "":
		fmt.Fprintf(&b, ": expected %s", e.Expected)
	case e.Found != "":
		fmt.Fprintf(&b, ": found %s", e.Found)
	}
	return b.String()
}

// Unwrap gives the cause, for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// at adds the place in the model to an *Error that does not name one yet, and
// leaves every other error alone.
func at(err error, where, tensor string) error {
	var e *Error
	if errors.As(err, &e) && e.Where == "" {
		e.Where = where
		if e.Tensor == "" {
			e.Tensor = tensor
		}
	}
	return err
}
