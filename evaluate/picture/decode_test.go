package picture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
