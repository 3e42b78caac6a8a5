package generator

import (
	"fmt"
	"testing"
)

// TestPlaces follows the passes through one token's row: what a pass reads must
// be what the last pass that wrote there has left, for any list of channels.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		channels string
		d, most  int // most channels of a row in training
	}{
		{"1,32,64,128,64,32,1", 3, 352}, {"1,64,96,64,1", 2, 256}, {"1,8,1", 1, 16}, {"1,8,8,1", 1, 24}, {"1,1,1,1,1", 1, 3},
		{"1,16,16,16,16,16,16,16,1", 1, 112}, {"1,64,2,1,2,64,1", 1, 133}, {"1,4,8,16,32,16,8,4,1", 5, 116}, {"1,5,6,7,7,6,5,1", 2, 42},
	} {
		for _, train := range []bool{false, true} {
			k := newConv(&params{}, small(t, Override{"denoiser", "conv", ""}, Override{"channels", c.channels, ""}).Config, 1)
			k.d = c.d
			passes := k.schedule(train)
			length := arrange(moments(passes))
			if length > c.most*c.d {
				t.Errorf("%s, training %t: a row has %d channels, want at most %d", c.channels, train, length/c.d, c.most)
			}
			row := make([]string, length)
			for at, p := range passes {
				read := func(s *place, what string) {
					for i := 0; s != nil && i < s.width; i++ {
						if row[s.at+i] != what {
							t.Fatalf("%s, training %t, pass %d (layer %d): value %d is of %q, want %q", c.channels, train, at, p.layer, i, row[s.at+i], what)
						}
					}
				}
				write := func(s *place, what string) {
					for i := 0; s != nil && i < s.width; i++ {
						row[s.at+i] = what
					}
				}
				name := func(what string, layer int) string { return fmt.Sprint(what, layer) }
				l := k.layers[p.layer]
				switch p.kind {
				case forward, again:
					if p.kind == forward {
						read(p.x, name("output ", p.layer-1))
						read(p.skip, name("output ", l.skip))
					}
					write(p.y, "being written")
					read(p.x, name("output ", p.layer-1))
					read(p.skip, name("output ", l.skip))
					write(p.y, name("output ", p.layer))
				case backward:
					read(p.dy, name("gradient ", p.layer))
					read(p.y, name("output ", p.layer))
					write(p.raw, name("raw ", p.layer))
					if p.dx != p.skip { // else each value is read before it is written
						write(p.dx, "being written")
					}
					read(p.x, name("output ", p.layer-1))
					read(p.skip, name("output ", l.skip))
					read(p.raw, name("raw ", p.layer))
					what := "gradient "
					if k.reader(p.layer-1) > p.layer {
						what = "part of gradient "
					}
					write(p.dx, name(what, p.layer-1))
				case through:
					read(p.dy, name("raw ", p.layer))
					read(p.dx, name("part of gradient ", l.skip))
					read(p.x, name("output ", l.skip))
					write(p.dx, name("gradient ", l.skip))
					read(p.x, name("output ", l.skip))
				}
			}
		}
	}
}
