package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rpg/fixtures"
)

func TestCIFAR10Refused(t *testing.T) {
	good := fixtures.Images()[:3*3073]
	badLabel := append([]byte{}, good...)
	badLabel[2*3073] = 10
	for _, c := range []struct {
		name string
		data []byte
		say  []string
	}{
		{"empty", nil, []string{"an empty file", "3073"}},
		{"a byte short", good[:len(good)-1], []string{"offset 6146", "3073 bytes", "last 3072 bytes"}},
		{"a byte long", append(append([]byte{}, good...), 1), []string{"offset 9219", "last 1 bytes"}},
		{"label out of range", badLabel, []string{"offset 6146", "image 2", "expected 0 to 9, found 10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "data.bin")
			if err := os.WriteFile(file, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := OpenCIFAR10(file)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range append(c.say, file) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none.bin"), t.TempDir()} {
		if _, err := OpenCIFAR10(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, expected one that names it", path, err)
		}
	}
}

func TestOpenCIFAR10(t *testing.T) {
	data := fixtures.Images()
	dir := t.TempDir()
	file := filepath.Join(dir, "test_batch.bin")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dir} {
		d, err := OpenCIFAR10(path)
		if err != nil {
			t.Fatal(err)
		}
		if d.Count != 1000 || d.Classes != 10 || d.Pixels() != 3072 || len(d.SHA256) != 64 || d.Name != "cifar10" {
			t.Errorf("%s: %d images, %d classes, %d values, %q", path, d.Count, d.Classes, d.Pixels(), d.SHA256)
		}
		// The first test images of CIFAR-10 are a cat, two ships and an airplane.
		if !slices.Equal(d.Labels[:4], []uint16{3, 8, 8, 0}) {
			t.Errorf("%s: labels %v", path, d.Labels[:4])
		}
	}
}

func TestFirst(t *testing.T) {
	all := testImages(t, 0)
	for _, c := range []struct{ n, want int }{{0, 1000}, {1, 1}, {999, 999}, {1000, 1000}, {1001, 1000}, {-1, 1000}} {
		d := all.First(c.n)
		if d.Count != c.want || len(d.Labels) != c.want || d.SHA256 != all.SHA256 {
			t.Errorf("First(%d): %d images, %d labels", c.n, d.Count, len(d.Labels))
		}
	}
	if all.Count != 1000 {
		t.Error("First changed the data set it was called on")
	}
}

func TestFillNormalizes(t *testing.T) {
	d := testImages(t, 0)
	dst := make([]float32, 2*d.Pixels())
	if err := d.Fill(dst, 500, 2); err != nil {
		t.Fatal(err)
	}
	mean, std := []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
	for i := range 2 {
		for c := range 3 {
			for p := range 1024 {
				raw := fixtures.Images()[(500+i)*3073+1+c*1024+p]
				want := (float32(raw)/255 - mean[c]) / std[c]
				if got := dst[i*3072+c*1024+p]; got != want {
					t.Fatalf("image %d, channel %d, pixel %d: got %g, expected %g", 500+i, c, p, got, want)
				}
			}
		}
	}
}

// testImages gives the first n embedded images.
func testImages(t *testing.T, n int) *Set {
	t.Helper()
	d, err := CIFAR10FromBytes("images", fixtures.Images())
	if err != nil {
		t.Fatal(err)
	}
	return d.First(n)
}
