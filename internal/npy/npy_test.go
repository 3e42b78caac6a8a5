package npy

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rpg/internal/shareddata"
)

// file makes a .npy file with the header's dictionary and the data.
func file(dictionary string, data string) []byte {
	header := dictionary + strings.Repeat(" ", 117-len(dictionary)) + "\n"
	return []byte(magic + "\x01\x00" + string(rune(len(header))) + "\x00" + header + data)
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, dictionary, data string
		shape                  []int
		want                   []float32
	}{
		{"bytes", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "\x00\x07\xff", []int{3}, []float32{0, 7, 255}},
		{"signed bytes", "{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }", "\x80\x7f", []int{2}, []float32{-128, 127}},
		{"16 bits", "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1), }", "\xff\xff\x00\x01", []int{2, 1}, []float32{-1, 256}},
		{"32 bits", "{'shape': (1,), 'descr': '<u4', 'fortran_order': False}", "\x00\x00\x00\x80", []int{1}, []float32{1 << 31}},
		{"64 bits", "{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", "\xfe\xff\xff\xff\xff\xff\xff\xff", []int{1}, []float32{-2}},
		{"float32", "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "\x00\x00\x20\xc0", nil, []float32{-2.5}},
		{"float64", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}", "\x00\x00\x00\x00\x00\x00\x04\x40", []int{1, 1}, []float32{2.5}},
		{"none", "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9)}", "", []int{0, 9}, []float32{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			arrays, err := Parse("x.npy", file(c.dictionary, c.data))
			if err != nil {
				t.Fatal(err)
			}
			if a := arrays[""]; !slices.Equal(a.Shape, c.shape) || !slices.Equal(a.Floats(), c.want) {
				t.Errorf("shape %v, values %v", a.Shape, a.Floats())
			}
		})
	}
}

func TestParseRefused(t *testing.T) {
	good := "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"
	for _, c := range []struct {
		name string
		data []byte
		say  string
	}{
		{"empty", nil, "found neither"},
		{"text", []byte("1, 2, 3"), "found neither"},
		{"header cut off", file(good, "")[:20], "the header is cut off"},
		{"data cut off", file(good, "\x00\x00\x00"), "expected 4 bytes for shape [1] of f4, found 3"},
		{"data too long", file(good, "\x00\x00\x00\x00\x00"), "expected 4 bytes"},
		{"Fortran order", file("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", "1234"), "order: expected C order"},
		{"big-endian", file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "1234"), "little-endian"},
		{"objects", file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "1234"), "type: expected one of u1"},
		{"no shape", file("{'descr': '<f4', 'fortran_order': False}", "1234"), "the header has no shape"},
		{"a negative size", file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", ""), "shape: expected sizes"},
		{"sizes beyond counting", file("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", ""), "shape: expected sizes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse("x.npy", c.data); err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), "x.npy") {
				t.Errorf("error %v, expected one with %q", err, c.say)
			}
		})
	}
	arrays, err := Parse("x.npy", file(good, "\x00\x00\x00\x3f"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arrays[""].Ints(); err == nil {
		t.Error("0.5 as a whole number: no error")
	}
}

func TestReadArchive(t *testing.T) {
	arrays, err := Read(filepath.Join(shareddata.Path(t, "digits"), "test.npz"))
	if err != nil {
		t.Fatal(err)
	}
	images, labels := arrays["images"], arrays["labels"]
	if images == nil || labels == nil || !slices.Equal(images.Shape, []int{600, 8, 8}) || images.DType != "u1" || labels.DType != "i8" {
		t.Fatalf("arrays %v", arrays)
	}
	values, err := labels.Ints()
	if err != nil || len(values) != 600 || slices.Max(values) != 9 || slices.Max(images.Floats()) != 16 {
		t.Errorf("%d labels: %v", len(values), err)
	}
}

// FuzzParse wants arrays whose data fits their shape, or an error.
func FuzzParse(f *testing.F) {
	f.Add(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "1234"))
	f.Add(file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)}", "123456"))
	f.Fuzz(func(t *testing.T, data []byte) {
		arrays, err := Parse("x", data)
		if err != nil {
			return
		}
		for _, a := range arrays {
			if n := len(a.Floats()); n != a.Elements() {
				t.Fatalf("%d values of shape %v", n, a.Shape)
			}
		}
	})
}
