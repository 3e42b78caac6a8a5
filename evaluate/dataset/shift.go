package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A Shift changes images as a camera or the weather might, to see whether models
// stand it. docs/metrics.md has the formulas.
type Shift struct {
	Kind     string  // of ShiftKinds
	Severity float64 // more is stronger; its unit is the kind's
	Seed     uint64
}

// ShiftKinds are the kinds of shift.
func ShiftKinds() []string { return []string{"noise", "blur", "contrast", "rotate"} }

// ParseShift reads KIND or KIND:SEVERITY.
func ParseShift(text string, seed uint64) (Shift, error) {
	kind, severity, given := strings.Cut(text, ":")
	s := Shift{Kind: kind, Seed: seed}
	var most float64
	switch kind {
	case "noise":
		s.Severity, most = 0.1, 10
	case "blur":
		s.Severity, most = 1, 100
	case "contrast":
		s.Severity, most = 0.5, 1
	case "rotate":
		s.Severity, most = 15, 180
	default:
		return s, fmt.Errorf("evaluate: shift: expected one of %s, found %q", strings.Join(ShiftKinds(), " "), kind)
	}
	if given {
		x, err := strconv.ParseFloat(severity, 64)
		if err != nil || !(x > 0 && x <= most) {
			return s, fmt.Errorf("evaluate: shift %s: severity: expected a number above 0 and up to %g, found %q", kind, most, severity)
		}
		s.Severity = x
	}
	return s, nil
}

// String says what the shift is and what decides its random numbers.
func (s Shift) String() string {
	text := fmt.Sprintf("%s:%g", s.Kind, s.Severity)
	if s.Kind == "noise" || s.Kind == "rotate" {
		text += fmt.Sprintf(", seed %d", s.Seed)
	}
	return text
}

// Shifted gives the same data set with every image shifted: its bytes as they
// are after decoding, resizing and cropping, before they are normalized. Image i
// is changed alike whoever reads it and however often.
func (s *Set) Shifted(shift Shift) (*Set, error) {
	if _, ok := s.images.(*floats); ok || len(s.Shape) != 3 {
		return nil, fmt.Errorf("evaluate: %s: shift %s: expected pictures of bytes, channels x height x width, found arrays of numbers %v", s.Source, shift.Kind, s.Shape)
	}
	list := make([]int, s.Count)
	for i := range list {
		list[i] = i
	}
	cut := s.pick(list)
	cut.images = &shifted{source: s.images, shift: shift, height: s.Shape[1], width: s.Shape[2]}
	cut.Shift = shift.String()
	return cut, nil
}

// shifted are the images of another source with a shift.
type shifted struct {
	source
	shift         Shift
	height, width int
}

func (s *shifted) resident() bool { return false }

func (s *shifted) pick(list []int) source {
	cut := *s
	cut.source = s.source.pick(list)
	return &cut
}

func (s *shifted) pixels(i int, buffer []byte) ([]byte, string, error) {
	pixels, damage, err := s.source.pixels(i, buffer)
	if err != nil {
		return nil, "", err
	}
	copy(buffer, pixels) // the source's own memory is not to be changed
	s.shift.apply(buffer[:len(pixels)], i, s.height, s.width)
	return buffer[:len(pixels)], damage, nil
}

// apply changes image number i, planes of height x width bytes.
func (s Shift) apply(pixels []byte, i, height, width int) {
	r := rand.New(rand.NewPCG(s.Seed, uint64(i)))
	sign := 1.0
	if r.Uint64()&1 == 1 {
		sign = -1
	}
	plane := height * width
	for at := 0; at < len(pixels); at += plane {
		p := pixels[at : at+plane]
		switch s.Kind {
		case "noise":
			for k, v := range p {
				p[k] = toByte(float64(v) + 255*s.Severity*r.NormFloat64())
			}
		case "contrast":
			mean := 0.0
			for _, v := range p {
				mean += float64(v)
			}
			mean /= float64(plane)
			for k, v := range p {
				p[k] = toByte(mean + (1-s.Severity)*(float64(v)-mean))
			}
		case "blur":
			blur(p, height, width, s.Severity)
		case "rotate":
			rotate(p, height, width, sign*s.Severity*math.Pi/180)
		}
	}
}

// toByte rounds half up and clips.
func toByte(v float64) byte { return byte(min(max(math.Floor(v+0.5), 0), 255)) }

// blur convolves with a Gaussian of sigma pixels, cut off at 3 sigma, rows and
// then columns. What lies outside is mirrored, without the border pixel twice.
func blur(p []byte, height, width int, sigma float64) {
	radius := int(math.Ceil(3 * sigma))
	kernel := make([]float64, 2*radius+1)
	sum := 0.0
	for k := range kernel {
		kernel[k] = math.Exp(-float64((k-radius)*(k-radius)) / (2 * sigma * sigma))
		sum += kernel[k]
	}
	rows := make([]float64, len(p))
	for y := range height {
		for x := range width {
			for k, w := range kernel {
				rows[y*width+x] += w / sum * float64(p[y*width+mirror(x+k-radius, width)])
			}
		}
	}
	for y := range height {
		for x := range width {
			v := 0.0
			for k, w := range kernel {
				v += w / sum * rows[mirror(y+k-radius, height)*width+x]
			}
			p[y*width+x] = toByte(v)
		}
	}
}

// mirror brings i into 0 .. n-1: -1 is 1, n is n-2.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	i %= 2 * (n - 1)
	if i < 0 {
		i += 2 * (n - 1)
	}
	if i >= n {
		i = 2*(n-1) - i
	}
	return i
}

// rotate turns counter-clockwise around the centre, bilinear. What lies outside
// is the nearest pixel of the border.
func rotate(p []byte, height, width int, angle float64) {
	from := append([]byte(nil), p...)
	sin, cos := math.Sincos(angle)
	midY, midX := float64(height-1)/2, float64(width-1)/2
	for y := range height {
		for x := range width {
			dy, dx := float64(y)-midY, float64(x)-midX
			sy := min(max(midY+sin*dx+cos*dy, 0), float64(height-1))
			sx := min(max(midX+cos*dx-sin*dy, 0), float64(width-1))
			y0, x0 := int(sy), int(sx)
			y1, x1 := min(y0+1, height-1), min(x0+1, width-1)
			fy, fx := sy-float64(y0), sx-float64(x0)
			at := func(y, x int) float64 { return float64(from[y*width+x]) }
			p[y*width+x] = toByte((1-fy)*((1-fx)*at(y0, x0)+fx*at(y0, x1)) + fy*((1-fx)*at(y1, x0)+fx*at(y1, x1)))
		}
	}
}
