package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rpg/evaluate/picture"
	"rpg/fixtures"
	"rpg/internal/npy"
	"rpg/internal/shareddata"
)

// npyFile writes an array of version 1.0 of the format.
func npyFile(dtype string, shape []int, values any) []byte {
	dims := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ", ") + ","
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, dims)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(header)))
	b, err := binary.Append(append(b, header...), binary.LittleEndian, values)
	if err != nil {
		panic("dataset: values of a type that binary does not write")
	}
	return b
}

func npzFile(t *testing.T, arrays map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range arrays {
		f, err := w.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(tree(t, map[string][]byte{"data.npz": b.Bytes()}), "data.npz")
}

// channelsLast gives embedded images 0 .. n-1 as [n 32 32 3].
func channelsLast(n int) []byte {
	var out []byte
	for i := range n {
		row := fixtures.Images()[i*3073+1 : (i+1)*3073]
		for p := range 1024 {
			out = append(out, row[p], row[1024+p], row[2048+p])
		}
	}
	return out
}

func TestOpenArrays(t *testing.T) {
	var first []byte // [2 3 32 32]
	var floats []float32
	for i := range 2 {
		first = append(first, fixtures.Images()[i*3073+1:(i+1)*3073]...)
	}
	for _, v := range first {
		floats = append(floats, float32(v))
	}
	labels := npyFile("<i8", []int{2}, []int64{3, 8})
	folder := tree(t, map[string][]byte{"images.npy": npyFile("|u1", []int{2, 3, 32, 32}, first), "labels.npy": labels})
	for _, c := range []struct {
		name string
		path string
		pre  *picture.Preprocess
	}{
		{"bytes", npzFile(t, map[string][]byte{"images": npyFile("|u1", []int{2, 3, 32, 32}, first), "labels": labels}), exact()},
		{"channels last", npzFile(t, map[string][]byte{"x_test": npyFile("|u1", []int{2, 32, 32, 3}, channelsLast(2)), "y_test": npyFile("<i4", []int{2, 1}, []int32{3, 8})}), exact()},
		{"floats, channels last", npzFile(t, map[string][]byte{"x": npyFile("<f4", []int{2, 32, 32, 3}, toFloats(channelsLast(2))), "y": npyFile("|u1", []int{2}, []byte{3, 8})}), nil},
		{"floats, flat", npzFile(t, map[string][]byte{"data": npyFile("<f4", []int{2, 3072}, floats), "targets": npyFile("<f4", []int{2}, []float32{3, 8})}), nil},
		{"two files", filepath.Join(folder, "images.npy"), exact()},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(t.Context(), Options{Path: c.path, Preprocess: c.pre, Shape: []int{3, 32, 32}, Classes: 10})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.Labels, []uint16{3, 8}) || s.Classes != 10 || len(s.SHA256) != 64 {
				t.Errorf("labels %v of %d classes", s.Labels, s.Classes)
			}
			checkImages(t, s, []int{0, 1})
			checkImages(t, s.First(1), []int{0})
		})
	}
}

func toFloats(b []byte) []float32 {
	var out []float32
	for _, v := range b {
		out = append(out, float32(v))
	}
	return out
}

func TestOpenArraysRefused(t *testing.T) {
	images := npyFile("|u1", []int{2, 4}, make([]byte, 8))
	labels := npyFile("|u1", []int{2}, []byte{0, 9})
	npz := func(arrays map[string][]byte) string { return npzFile(t, arrays) }
	alone := filepath.Join(tree(t, map[string][]byte{"x.npy": images}), "x.npy")
	resize, err := picture.Preset("torchvision")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    Options
		say  string
	}{
		{"no images", Options{Path: npz(map[string][]byte{"labels": labels, "extra": images})}, "images: expected an array named images or x_test"},
		{"no labels", Options{Path: npz(map[string][]byte{"images": images})}, "labels: expected an array named labels"},
		{"no file of labels", Options{Path: alone}, "expected the labels of these images"},
		{"fewer labels", Options{Path: npz(map[string][]byte{"images": images, "labels": npyFile("|u1", []int{1}, []byte{0})})}, "images: expected 1, as many as labels"},
		{"a label out of range", Options{Path: npz(map[string][]byte{"images": images, "labels": labels}), Classes: 5}, "label 1: expected 0 to 4, found 9"},
		{"a negative label", Options{Path: npz(map[string][]byte{"images": images, "labels": npyFile("<i2", []int{2}, []int16{0, -1})})}, "label 1: expected 0 to"},
		{"a label that is no number", Options{Path: npz(map[string][]byte{"images": images, "labels": npyFile("<f4", []int{2}, []float32{0, 0.5})})}, "expected a whole number, found 0.5"},
		{"one-hot labels", Options{Path: npz(map[string][]byte{"images": images, "labels": npyFile("|u1", []int{2, 2}, []byte{0, 1, 1, 0})})}, "expected one number an image, found shape [2 2]"},
		{"another input", Options{Path: npz(map[string][]byte{"images": images, "labels": labels}), Shape: []int{5}}, "shape: expected [5], the model's input, or as many values, found [4]"},
		{"floats to resize", Options{Path: npz(map[string][]byte{"images": npyFile("<f4", []int{2, 3, 4, 4}, make([]float32, 96)), "labels": labels}), Shape: []int{3, 4, 4}, Preprocess: &resize}, "expected bytes (uint8)"},
		{"cut off", Options{Path: npz(map[string][]byte{"images": images[:len(images)-1], "labels": labels})}, "expected 8 bytes for shape [2 4] of u1, found 7"},
		{"complex numbers", Options{Path: npz(map[string][]byte{"images": npyFile("<c8", []int{1}, []byte{0, 0, 0, 0, 0, 0, 0, 0}), "labels": labels})}, "type: expected one of u1"},
		{"no archive", Options{Path: filepath.Join(tree(t, map[string][]byte{"x.npz": []byte("text")}), "x.npz")}, "expected a .npy or .npz file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Open(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("error %v, expected one with %q", err, c.say)
			}
		})
	}
}

func TestDigits(t *testing.T) {
	path := shareddata.Path(t, "digits/test.npz")
	p, err := picture.Preset("values:8,1,1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path, Preprocess: &p, Shape: []int{64}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, 600*64)
	if err := s.Fill(out, 0, 600); err != nil || s.Count != 600 || !slices.Equal(s.Shape, []int{64}) {
		t.Fatalf("%d images of shape %v: %v", s.Count, s.Shape, err)
	}
	for i, v := range arrays["images"].Data {
		if want := float32(v)/8 - 1; out[i] != want {
			t.Fatalf("value %d: %g, expected %g", i, out[i], want)
		}
	}
}

func TestCIFAR100(t *testing.T) {
	path := shareddata.Path(t, "cifar100/test_first916.bin")
	fine, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	coarse, err := Open(t.Context(), Options{Path: path, Kind: "cifar100-coarse"})
	if err != nil {
		t.Fatal(err)
	}
	if fine.Count != 916 || fine.Classes != 100 || coarse.Classes != 20 || fine.Name != "cifar100" || coarse.Name != "cifar100-coarse" {
		t.Fatalf("%d images, %d and %d classes", fine.Count, fine.Classes, coarse.Classes)
	}
	// The superclass of a class is always the same, and has five of them.
	super, members := map[uint16]uint16{}, map[uint16]int{}
	for i, f := range fine.Labels {
		if s, seen := super[f]; seen && s != coarse.Labels[i] {
			t.Fatalf("class %d is in superclass %d and %d", f, s, coarse.Labels[i])
		} else if !seen {
			super[f] = coarse.Labels[i]
			members[coarse.Labels[i]]++
		}
	}
	for s, n := range members {
		if n != 5 {
			t.Errorf("superclass %d has %d classes", s, n)
		}
	}
}

func TestTask(t *testing.T) {
	s := testImages(t, 0)
	task, err := s.Task("0100010111")
	if err != nil {
		t.Fatal(err)
	}
	want := []uint16{0, 1, 0, 0, 0, 1, 0, 1, 1, 1}
	for i, l := range s.Labels {
		if task.Labels[i] != want[l] {
			t.Fatalf("image %d of class %d has label %d", i, l, task.Labels[i])
		}
	}
	if task.Classes != 2 || s.Classes != 10 || len(task.Notes) != 1 {
		t.Errorf("%d classes, notes %v", task.Classes, task.Notes)
	}
	for _, bits := range []string{"", "0101", "01000101112", "010001011x", "0000000000", "1111111111"} {
		if _, err := s.Task(bits); err == nil {
			t.Errorf("task %q: no error", bits)
		}
	}
}

func TestCIFARResized(t *testing.T) {
	file := filepath.Join(tree(t, map[string][]byte{"x.bin": fixtures.Images()[:3073*5]}), "x.bin")
	p, err := picture.Preset("timm:0.875,bicubic")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: file, Preprocess: &p, Shape: []int{3, 64, 64}})
	if err != nil {
		t.Fatal(err)
	}
	// The same by way of a picture file.
	other, err := Open(t.Context(), Options{Path: tree(t, map[string][]byte{"a/4.png": pngFile(t, 4)}), Preprocess: &p, Shape: []int{3, 64, 64}})
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]float32, s.Pixels()), make([]float32, s.Pixels())
	if err := s.Fill(a, 4, 1); err != nil {
		t.Fatal(err)
	}
	if err := other.Fill(b, 0, 1); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Shape, []int{3, 64, 64}) || !slices.Equal(a, b) {
		t.Error("a row of CIFAR and its picture differ")
	}
}
