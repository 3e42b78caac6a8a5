package onnxio

import (
	"bytes"
	"unicode/utf8"
)

// signatures are the first bytes of files that people hand over by mistake.
var signatures = []struct{ start, kind string }{
	{"\x89PNG\r\n\x1a\n", "a PNG picture"},
	{"\xff\xd8\xff", "a JPEG picture"},
	{"PK\x03\x04", "a ZIP archive (a PyTorch checkpoint, a Keras model or an .npz file is one)"},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras weights)"},
	{"\x1f\x8b", "gzip-compressed data"},
	{"\x28\xb5\x2f\xfd", "zstd-compressed data"},
	{"GGUF", "a GGUF file"},
	{"\x93NUMPY", "a NumPy array"},
	{"\x80\x02", "a Python pickle"},
	{"\x80\x04", "a Python pickle"},
	{"\x7fELF", "a program or library"},
	{"%PDF-", "a PDF document"},
	{"version https://git-lfs", "a Git LFS pointer: the model itself has not been downloaded"},
}

// sniff says what the file is when its first bytes show that it is not a
// ModelProto, else "".
func (w *window) sniff() string {
	n := min(w.size, 256)
	b, err := w.view(0, int(n))
	if err != nil {
		return "" // the reader proper will meet the same error and report it
	}
	for _, s := range signatures {
		if bytes.HasPrefix(b, []byte(s.start)) {
			return s.kind
		}
	}
	if w.size >= 8 && len(b) > 9 && b[8] == '{' && bytes.IndexByte(b[:8], 0) > 0 {
		return "a safetensors file"
	}
	if w.size >= 8 && string(b[4:8]) == "TFL3" {
		return "a TensorFlow Lite model"
	}
	if isText(b, n < w.size) {
		return "a text file"
	}
	return ""
}

// isText tells whether b is UTF-8 without control characters; a model has them
// within its first bytes. A rune may be cut off at the end when there is more.
func isText(b []byte, more bool) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n <= 1 {
			return more && !utf8.FullRune(b)
		}
		if r < 0x20 && r != '\n' && r != '\r' && r != '\t' && r != '\f' || r == 0x7f {
			return false
		}
		b = b[n:]
	}
	return true
}
