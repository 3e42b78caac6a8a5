package picture

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/evaluate/picture/jpeg"
	"rpg/internal/npy"
)

// expected reads an archive of arrays that testdata/make.py made.
func expected(t *testing.T, name string) map[string]*npy.Array {
	t.Helper()
	arrays, err := npy.Read(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return arrays
}

// differences counts values by how far they lie apart: [0] equal, [1] by one, ...
func differences(t *testing.T, got, want []byte) map[int]int {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, expected %d", len(got), len(want))
	}
	n := map[int]int{}
	for i, v := range got {
		d := int(v) - int(want[i])
		n[max(d, -d)]++
	}
	delete(n, 0)
	return n
}

// inColour gives grey pixels as RGB: whether a file counts as grey is Pillow's
// choice, and makes no difference to a network.
func inColour(pix []byte, channels int) []byte {
	if channels == 3 {
		return pix
	}
	var out []byte
	for _, v := range pix {
		out = append(out, v, v, v)
	}
	return out
}

func TestDecodeEqualsPillow(t *testing.T) {
	arrays := expected(t, "expected.npz")
	if len(arrays) < 60 {
		t.Fatalf("%d files", len(arrays))
	}
	d := &Decoder{} // one for all, so that what it keeps is seen to do no harm
	for name, want := range arrays {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			im, err := d.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if im.Height != want.Shape[0] || im.Width != want.Shape[1] {
				t.Fatalf("%dx%d, expected %v", im.Height, im.Width, want.Shape)
			}
			if n := differences(t, inColour(im.Pix, im.Channels), inColour(want.Data, len(want.Data)/im.Width/im.Height)); len(n) > 0 {
				t.Errorf("of %d values so many differ by 1, 2, ...: %v", len(im.Pix), n)
			}
			if damaged := strings.Contains(name, "after_scan") || name == "grey_16bit.png"; damaged != (im.Damage != "") {
				t.Errorf("damage %q", im.Damage)
			}
		})
	}
}

// TestDecodeWindow wants the pixels of a window to be those of the whole.
func TestDecodeWindow(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.jpg"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := new(Decoder).Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		w, h := whole.Width, whole.Height
		for _, want := range []jpeg.Window{
			{FromX: 0, ToX: w, FromY: 0, ToY: h}, {FromX: w / 3, ToX: w - w/4, FromY: h / 3, ToY: h - h/4}, {FromX: w - 1, ToX: w, FromY: h - 1, ToY: h},
			{FromX: 0, ToX: 1, FromY: 0, ToY: 1}, {FromX: w / 2, ToX: w/2 + 1, FromY: 0, ToY: h}, {FromX: 0, ToX: w, FromY: min(16, h-1), ToY: min(17, h)}, {FromX: min(15, w-1), ToX: min(33, w), FromY: h / 2, ToY: h/2 + 1},
		} {
			part, err := new(Decoder).DecodeWindow(data, func(int, int) jpeg.Window { return want })
			if err != nil {
				t.Fatal(err)
			}
			for y := want.FromY; y < want.ToY; y++ {
				from, to := (y*w+want.FromX)*whole.Channels, (y*w+want.ToX)*whole.Channels
				if part.Channels != whole.Channels || !bytes.Equal(part.Pix[from:to], whole.Pix[from:to]) {
					t.Fatalf("%s: row %d of %+v differs", file, y, want)
				}
			}
		}
	}
}
