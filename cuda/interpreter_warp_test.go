package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"testing"
)

// Shuffles against what the CUDA C++ guide says of __shfl_*_sync with a width: the
// value of the lane in the own group of width lanes, and the own value outside.
func TestInterpreterShuffles(t *testing.T) {
	in := openInterpreter(t)
	for _, width := range []int{2, 4, 8, 16, 32} {
		for _, by := range []int{0, 1, 3, 5, 16, 31} {
			for _, way := range []string{"up", "down", "bfly", "idx"} {
				bound := (32 - width) << 8
				if way != "up" {
					bound |= 31
				}
				text := kernel("", 1, fmt.Sprintf(`	mul.lo.s32 %%r1, %%r0, 3;
	shfl.sync.%s.b32 %%r2|%%p1, %%r1, %d, %d, -1;
	selp.b32 %%r3, 1000, 0, %%p1;
	add.s32 %%r4, %%r2, %%r3;
	mul.wide.u32 %%rd1, %%r0, 4;
	add.s64 %%rd2, %%in0, %%rd1;
	st.global.u32 [%%rd2], %%r4;
`, way, by, bound))
				out := make([]byte, 128)
				in.launch(t, text, launched{grid: 1, block: 32, memory: [][]byte{out}})
				for lane := range 32 {
					first := lane / width * width
					source := map[string]int{"up": lane - by, "down": lane + by, "bfly": lane ^ by, "idx": first + by%width}[way]
					want := 3*source + 1000
					// __shfl_xor_sync may read groups before its own, if no group after it.
					if source >= first+width || source < first && way != "bfly" {
						want = 3 * lane
					}
					if got := int(binary.LittleEndian.Uint32(out[4*lane:])); got != want {
						t.Errorf("%s by %d in groups of %d: lane %d gets %d, want %d", way, by, width, lane, got, want)
					}
				}
			}
		}
	}
}

// Votes among those that take part, whose masks leave the others out.
func TestInterpreterVotes(t *testing.T) {
	in := openInterpreter(t)
	text := kernel("", 1, `	setp.lt.u32 %p1, %r0, 20;
	and.b32 %r1, %r0, 3;
	setp.eq.s32 %p2, %r1, 0;
	mov.u32 %r5, 0;
	@!%p1 bra $end;
	vote.sync.ballot.b32 %r2, %p2, 0x000fffff;
	vote.sync.any.pred %p3, %p2, 0x000fffff;
	vote.sync.all.pred %p4, %p2, 0x000fffff;
	selp.b32 %r3, 1, 0, %p3;
	selp.b32 %r4, 2, 0, %p4;
	shl.b32 %r5, %r2, 2;
	or.b32 %r5, %r5, %r3;
	or.b32 %r5, %r5, %r4;
$end:
	mul.wide.u32 %rd1, %r0, 4;
	add.s64 %rd2, %in0, %rd1;
	st.global.u32 [%rd2], %r5;
`)
	out := make([]byte, 128)
	in.launch(t, text, launched{grid: 1, block: 32, memory: [][]byte{out}})
	for lane := range 32 {
		want := uint32(0x11111<<2 | 1)
		if lane >= 20 {
			want = 0
		}
		if got := binary.LittleEndian.Uint32(out[4*lane:]); got != want {
			t.Errorf("lane %d has %#x, want %#x", lane, got, want)
		}
	}
}

// bf16 values that are small integers, so that every sum of products is exact.
func small(n int) uint16 { return uint16(math.Float32bits(float32(n)) >> 16) }

// One product of matrices from shared memory, as nvcc writes it: both tiles and the
// sums are what NVIDIA's figures say when D = A·B + C comes out. Nothing here
// speaks of lanes, except the figure for the sums: lane 4g+t has (g, 2t), (g, 2t+1),
// (g+8, 2t) and (g+8, 2t+1).
func TestInterpreterMatrixProduct(t *testing.T) {
	in := openInterpreter(t)
	var a [16][16]int
	var b [16][8]int
	var c [16][8]int
	for i := range 16 {
		for k := range 16 {
			a[i][k] = (i*7+k*3)%11 - 5
		}
		for j := range 8 {
			b[i][j] = (i*5+j*13)%7 - 3
			c[i][j] = i*8 + j
		}
	}
	// In memory: A by rows, B by columns in the first kernel and by rows in the
	// second, which loads it transposed.
	for _, transposed := range []bool{false, true} {
		left := make([]uint16, 0, 256)
		for i := range 16 {
			for k := range 16 {
				left = append(left, small(a[i][k]))
			}
		}
		right := make([]uint16, 128)
		for k := range 16 {
			for j := range 8 {
				if transposed {
					right[k*8+j] = small(b[k][j])
				} else {
					right[j*16+k] = small(b[k][j])
				}
			}
		}
		sums := make([]float32, 0, 128)
		for lane := range 32 {
			for v := range 4 {
				sums = append(sums, float32(c[lane/4+v/2*8][lane%4*2+v%2]))
			}
		}
		out := make([]byte, 512)
		in.launch(t, tensorProduct(transposed), launched{grid: 1, block: 32, memory: [][]byte{packed(left), packed(right), packed(sums), out}})
		for i := range 16 {
			for j := range 8 {
				want := float32(c[i][j])
				for k := range 16 {
					want += float32(a[i][k] * b[k][j])
				}
				at := (i%8*4+j/2)*4 + i/8*2 + j%2
				if got := math.Float32frombits(binary.LittleEndian.Uint32(out[4*at:])); got != want {
					t.Fatalf("transposed %v: (%d, %d) is %v, want %v", transposed, i, j, got, want)
				}
			}
		}
	}
}

// roughVariable has what NVIDIA leaves open come out another way.
const roughVariable = "RPG_PTX_ROUGH"

// The two ways to add up the products on tensor cores: sums that are rounded to
// nearest one after another, and blocks of eight whose sum is cut. 2^24 is where a
// float32 has no more odd numbers.
func TestInterpreterSums(t *testing.T) {
	in := openInterpreter(t)
	rough := os.Getenv(roughVariable) != ""
	const large = 1 << 24
	for _, c := range []struct {
		products     [16]int
		rounded, cut float32
	}{
		{[16]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, large, large + 16},
		{[16]int{3}, large + 4, large + 2},
		{[16]int{-1}, large - 1, large - 1},
		{[16]int{3, 0, 0, 0, 0, 0, 0, 0, 3}, large + 8, large + 4},
	} {
		left, right, sums := make([]uint16, 256), make([]uint16, 128), make([]float32, 128)
		for k, n := range c.products {
			for i := range 16 {
				left[16*i+k] = small(n)
			}
			for j := range 8 {
				right[16*j+k] = small(1)
			}
		}
		for i := range sums {
			sums[i] = large
		}
		out := make([]byte, 512)
		in.launch(t, tensorProduct(false), launched{grid: 1, block: 32, memory: [][]byte{packed(left), packed(right), packed(sums), out}})
		want := c.rounded
		if rough {
			want = c.cut
		}
		for i := range 128 {
			if got := math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])); got != want {
				t.Fatalf("rough %v: 2^24 and products %v give %v, want %v", rough, c.products, got, want)
			}
		}
	}
	if rough {
		return
	}
	program := exec.Command(os.Args[0], "-test.run=^TestInterpreter(Sums|MatrixProduct)$")
	program.Env = append(os.Environ(), roughVariable+"=1")
	if text, err := program.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// tensorProduct copies A (512 bytes) and B (256) to shared memory and multiplies them. Lane
// l gives row l%8 of matrix l/8: of A the matrices of rows 0-7 and 8-15 on the left,
// then on the right, which are a0a1, a2a3, a4a5 and a6a7; of B its rows 0-7 and 8-15.
func tensorProduct(transposed bool) string {
	right, trans := "	shl.b32 %r10, %r3, 5;\n	shl.b32 %r11, %r5, 4;\n", "" // column l%8, rows from 8·(l/8%2)
	if transposed {
		right, trans = "	shl.b32 %r10, %r3, 4;\n	shl.b32 %r11, %r5, 7;\n", ".trans"
	}
	return kernel(".shared .align 16 .b8 left[512];\n.shared .align 16 .b8 right[256];\n", 4, `
	mov.u32 %r1, left;
	mov.u32 %r2, right;
	shl.b32 %r20, %r0, 4;
	cvt.u64.u32 %rd1, %r20;
	add.s64 %rd2, %in0, %rd1;
	add.s64 %rd3, %in1, %rd1;
	add.s64 %rd4, %in2, %rd1;
	add.s64 %rd5, %in3, %rd1;
	add.s32 %r21, %r1, %r20;
	add.s32 %r22, %r2, %r20;
	cp.async.cg.shared.global [%r21], [%rd2], 16;
	setp.ge.u32 %p1, %r0, 16;
	@%p1 bra $copied;
	cp.async.cg.shared.global [%r22], [%rd3], 16;
$copied:
	cp.async.commit_group;
	cp.async.wait_group 0;
	bar.sync 0;
	ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd4];
	and.b32 %r3, %r0, 7;
	shr.u32 %r4, %r0, 3;
	and.b32 %r5, %r4, 1;
	shr.u32 %r6, %r4, 1;
	shl.b32 %r7, %r3, 5;
	add.s32 %r8, %r1, %r7;
	shl.b32 %r9, %r5, 8;
	add.s32 %r8, %r8, %r9;
	shl.b32 %r9, %r6, 4;
	add.s32 %r8, %r8, %r9;
	ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r40, %r41, %r42, %r43}, [%r8];
`+right+`	add.s32 %r12, %r2, %r10;
	add.s32 %r12, %r12, %r11;
	ldmatrix.sync.aligned.m8n8.x4`+trans+`.shared.b16 {%r44, %r45, %r46, %r47}, [%r12];
	mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r40, %r41, %r42, %r43}, {%r44, %r45}, {%f1, %f2, %f3, %f4};
	st.global.v4.f32 [%rd5], {%f1, %f2, %f3, %f4};
`)
}
