// Package npy reads the array files of numpy: .npy, and .npz, a zip archive of
// them. The format is numpy's NEP 1.
package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// An Array is one array in memory, in C order.
type Array struct {
	DType string // as numpy names it, without the byte order: u1, i8, f4
	Shape []int
	Data  []byte // little-endian
}

const magic = "\x93NUMPY"

// IsNPY tells whether data starts like a .npy file.
func IsNPY(data []byte) bool { return strings.HasPrefix(string(data[:min(len(data), 6)]), magic) }

// Read reads the arrays of a file by name: of a .npz file the names within it,
// of a .npy file the name "".
func Read(path string) (map[string]*Array, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse is Read for a file in memory, which path names in messages.
func Parse(path string, data []byte) (map[string]*Array, error) {
	if IsNPY(data) {
		a, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("npy: %s: %w", path, err)
		}
		return map[string]*Array{"": a}, nil
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("npy: %s: expected a .npy or .npz file, found neither", path)
	}
	arrays := map[string]*Array{}
	for _, f := range archive.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		a, err := member(f)
		if err != nil {
			return nil, fmt.Errorf("npy: %s: array %q: %w", path, name, err)
		}
		arrays[name] = a
	}
	return arrays, nil
}

// maxBytes bounds what one array may take in memory, against archives that say
// more than they hold.
const maxBytes = 1 << 34

func member(f *zip.File) (*Array, error) {
	if f.UncompressedSize64 > maxBytes {
		return nil, fmt.Errorf("size: expected at most %d bytes, found %d", int64(maxBytes), f.UncompressedSize64)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxBytes))
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func parse(data []byte) (*Array, error) {
	if len(data) < 10 || !IsNPY(data) {
		return nil, errors.New("expected a .npy header, found something else")
	}
	start, length := 10, int(binary.LittleEndian.Uint16(data[8:]))
	if data[6] > 1 {
		if len(data) < 12 {
			return nil, errors.New("the header is cut off")
		}
		start, length = 12, int(binary.LittleEndian.Uint32(data[8:]))
	}
	if length > len(data)-start {
		return nil, errors.New("the header is cut off")
	}
	header := string(data[start : start+length])
	descr, err := field(header, "'descr':")
	if err != nil {
		return nil, err
	}
	order, err := field(header, "'fortran_order':")
	if err != nil {
		return nil, err
	}
	shape, err := field(header, "'shape':")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(order, "True") {
		return nil, errors.New("order: expected C order, found Fortran order; numpy.ascontiguousarray makes it so")
	}
	a := &Array{Data: data[start+length:]}
	name, _, ok := strings.Cut(strings.TrimPrefix(descr, "'"), "'")
	if !ok || len(name) < 3 || name[0] == '>' || !slices.Contains(types(), name[1:]) {
		return nil, fmt.Errorf("type: expected one of %s, little-endian, found %q", strings.Join(types(), " "), descr[:min(len(descr), 12)])
	}
	a.DType = name[1:]
	list, _, ok := strings.Cut(strings.TrimPrefix(shape, "("), ")")
	if !ok {
		return nil, errors.New("the header has no shape")
	}
	bytes, _ := strconv.Atoi(a.DType[1:])
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 0 && bytes > maxBytes/n {
			return nil, fmt.Errorf("shape: expected sizes, found (%s)", list)
		}
		a.Shape = append(a.Shape, n)
		bytes *= n
	}
	if len(a.Data) != bytes {
		return nil, fmt.Errorf("data: expected %d bytes for shape %v of %s, found %d", bytes, a.Shape, a.DType, len(a.Data))
	}
	return a, nil
}

// types are the types that Floats and Ints can read.
func types() []string {
	return []string{"u1", "i1", "u2", "i2", "i4", "u4", "i8", "u8", "f4", "f8", "b1"}
}

// field gives what follows a key of the header.
func field(header, key string) (string, error) {
	_, rest, ok := strings.Cut(header, key)
	if !ok {
		return "", fmt.Errorf("the header has no %s", strings.Trim(key, "':"))
	}
	return strings.TrimSpace(rest), nil
}

// Elements is the number of values.
func (a *Array) Elements() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// at gives value i. Integers above 2^53 lose their last digits.
func (a *Array) at(i int) float64 {
	size := len(a.Data) / max(a.Elements(), 1)
	d := a.Data[i*size:]
	switch a.DType {
	case "u1", "b1":
		return float64(d[0])
	case "i1":
		return float64(int8(d[0]))
	case "u2":
		return float64(binary.LittleEndian.Uint16(d))
	case "i2":
		return float64(int16(binary.LittleEndian.Uint16(d)))
	case "u4":
		return float64(binary.LittleEndian.Uint32(d))
	case "i4":
		return float64(int32(binary.LittleEndian.Uint32(d)))
	case "u8":
		return float64(binary.LittleEndian.Uint64(d))
	case "i8":
		return float64(int64(binary.LittleEndian.Uint64(d)))
	case "f4":
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(d)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(d))
}

// Floats gives all values rounded to float32.
func (a *Array) Floats() []float32 {
	out := make([]float32, a.Elements())
	for i := range out {
		out[i] = float32(a.at(i))
	}
	return out
}

// Ints gives all values, or an error for one that is not a whole number.
func (a *Array) Ints() ([]int, error) {
	out := make([]int, a.Elements())
	for i := range out {
		v := a.at(i)
		if v != math.Trunc(v) || !(math.Abs(v) < 1<<53) {
			return nil, fmt.Errorf("value %d: expected a whole number, found %g", i, v)
		}
		out[i] = int(v)
	}
	return out, nil
}
