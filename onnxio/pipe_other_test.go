//go:build !unix

package onnxio

import "errors"

func makePipe(string) error { return errors.New("no pipes") }
