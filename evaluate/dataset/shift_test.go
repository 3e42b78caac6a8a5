package dataset

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"rpg/fixtures"
)

func TestParseShift(t *testing.T) {
	for _, c := range []struct {
		text, want string // want is String, or a part of the error
	}{
		{"noise", "noise:0.1, seed 7"}, {"noise:0.25", "noise:0.25, seed 7"}, {"blur", "blur:1"}, {"contrast:1", "contrast:1"}, {"rotate:30", "rotate:30, seed 7"},
		{"fog", "one of noise blur contrast rotate, found \"fog\""}, {"contrast:1.5", "up to 1, found \"1.5\""},
		{"noise:NaN", "found \"NaN\""}, {"blur:0", "above 0"}, {"rotate:", "found \"\""},
	} {
		s, err := ParseShift(c.text, 7)
		got := s.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%q: %q, expected %q", c.text, got, c.want)
		}
	}
}

// shiftedBytes gives image i of the embedded ones after a shift.
func shiftedBytes(t *testing.T, text string, seed uint64, i int) []byte {
	t.Helper()
	set, err := CIFAR10FromBytes("images", fixtures.Images())
	if err != nil {
		t.Fatal(err)
	}
	shift, err := ParseShift(text, seed)
	if err != nil {
		t.Fatal(err)
	}
	s, err := set.Shifted(shift)
	if err != nil {
		t.Fatal(err)
	}
	pixels, _, err := s.images.pixels(i, make([]byte, s.Pixels()))
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

func original(i int) []byte { return fixtures.Images()[i*3073+1 : (i+1)*3073] }

func TestNoiseHasItsSize(t *testing.T) {
	before := slices.Clone(original(3))
	got := shiftedBytes(t, "noise:0.05", 1, 3)
	if !bytes.Equal(before, original(3)) {
		t.Fatal("the data set itself was changed")
	}
	var sum, squares, n float64
	for k, v := range got {
		if before[k] > 60 && before[k] < 195 { // five deviations from being clipped
			d := float64(v) - float64(before[k])
			sum, squares, n = sum+d, squares+d*d, n+1
		}
	}
	if deviation := math.Sqrt(squares / n); n < 1000 || !(math.Abs(deviation/12.75-1) < 0.06) || !(math.Abs(sum/n) < 1.2) {
		t.Errorf("noise of mean %g and deviation %g over %g values, expected 0 and 12.75", sum/n, deviation, n)
	}
	if bytes.Equal(got, shiftedBytes(t, "noise:0.05", 2, 3)) {
		t.Error("another seed gives the same noise")
	}
	if !bytes.Equal(got, shiftedBytes(t, "noise:0.05", 1, 3)) {
		t.Error("the same seed gives other noise")
	}
}

func TestContrast(t *testing.T) {
	from, got := original(5), shiftedBytes(t, "contrast:0.75", 1, 5)
	for c := range 3 {
		mean := 0.0
		for _, v := range from[c*1024 : (c+1)*1024] {
			mean += float64(v) / 1024
		}
		for k := c * 1024; k < (c+1)*1024; k++ {
			if want := mean + 0.25*(float64(from[k])-mean); !(math.Abs(float64(got[k])-want) <= 0.5+1e-9) {
				t.Fatalf("value %d: %d, expected %g", k, got[k], want)
			}
		}
	}
}

// TestBlurReference convolves in two dimensions, directly.
func TestBlurReference(t *testing.T) {
	const h, w, sigma, radius = 5, 7, 1.3, 4
	p := make([]byte, h*w)
	for i := range p {
		p[i] = byte(i * i * 37)
	}
	from := slices.Clone(p)
	blur(p, h, w, sigma)
	fold := func(i, n int) int { // one step at a time
		for i < 0 || i >= n {
			if i < 0 {
				i = -i
			} else {
				i = 2*(n-1) - i
			}
		}
		return i
	}
	for y := range h {
		for x := range w {
			sum, weights := 0.0, 0.0
			for dy := -radius; dy <= radius; dy++ {
				for dx := -radius; dx <= radius; dx++ {
					k := math.Exp(-float64(dy*dy+dx*dx) / (2 * sigma * sigma))
					sum += k * float64(from[fold(y+dy, h)*w+fold(x+dx, w)])
					weights += k
				}
			}
			if got := p[y*w+x]; !(math.Abs(float64(got)-sum/weights) <= 0.5+1e-6) {
				t.Errorf("%d, %d: %d, expected %g", y, x, got, sum/weights)
			}
		}
	}
}

func TestRotate(t *testing.T) {
	p := []byte{
		1, 2, 3,
		4, 5, 6,
		7, 8, 9}
	quarter := slices.Clone(p)
	rotate(quarter, 3, 3, math.Pi/2)
	if want := []byte{3, 6, 9, 2, 5, 8, 1, 4, 7}; !bytes.Equal(quarter, want) {
		t.Errorf("a quarter turn: %v, expected %v", quarter, want)
	}
	// A ramp stays one: v = 10 x turned by an angle is 10 (x cos - y sin) inside.
	const n = 21
	ramp := make([]byte, n*n)
	for i := range ramp {
		ramp[i] = byte(10 * (i % n))
	}
	const angle = 0.3
	rotate(ramp, n, n, angle)
	for y := 7; y < 14; y++ {
		for x := 7; x < 14; x++ {
			want := 10 * (10 + math.Cos(angle)*float64(x-10) - math.Sin(angle)*float64(y-10))
			if !(math.Abs(float64(ramp[y*n+x])-want) <= 0.5+1e-6) {
				t.Errorf("ramp at %d, %d: %d, expected %g", y, x, ramp[y*n+x], want)
			}
		}
	}
	// Some images turn one way and some the other.
	turned := map[bool]int{}
	for i := range 20 {
		left := slices.Clone(original(i)[:1024])
		rotate(left, 32, 32, 15*math.Pi/180)
		turned[bytes.Equal(left, shiftedBytes(t, "rotate", 1, i)[:1024])]++
	}
	if turned[true] < 3 || turned[false] < 3 {
		t.Errorf("turned left or not: %v of 20", turned)
	}
}

func TestShiftNeedsPictures(t *testing.T) {
	s := &Set{Source: "test.npz", Shape: []int{64}}
	if _, err := s.Shifted(Shift{Kind: "blur", Severity: 1}); err == nil || !strings.Contains(err.Error(), "test.npz: shift blur: expected pictures of bytes") {
		t.Errorf("error %v", err)
	}
}
