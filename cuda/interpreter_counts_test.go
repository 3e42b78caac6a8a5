package cuda

import (
	"fmt"
	"strings"
	"testing"
)

// Wavefronts of shared memory that are known by hand: an access of one warp, all of
// whose lanes have written what they read.
func TestInterpreterBankConflicts(t *testing.T) {
	in := openInterpreter(t)
	for _, c := range []struct {
		name       string
		bytes      int             // of an access
		at         func(l int) int // address of lane l, below 8 KiB
		wavefronts uint64
		ideal      uint64
	}{
		{"neighbouring words", 4, func(l int) int { return 4 * l }, 1, 1},
		{"every second word", 4, func(l int) int { return 8 * l }, 2, 1},
		{"every 32nd word", 4, func(l int) int { return 128 * l }, 32, 1},
		{"every 33rd word, as in padded rows", 4, func(l int) int { return 132 * l }, 1, 1},
		{"one word", 4, func(int) int { return 64 }, 1, 1},
		{"two words of one bank", 4, func(l int) int { return l % 2 * 128 }, 2, 1},
		{"halves of neighbouring words", 2, func(l int) int { return 2 * l }, 1, 1},
		{"neighbouring 8 bytes", 8, func(l int) int { return 8 * l }, 2, 2},
		{"every second 8 bytes", 8, func(l int) int { return 16 * l }, 4, 2},
		{"neighbouring 16 bytes", 16, func(l int) int { return 16 * l }, 4, 4},
		{"16 bytes of rows of 128", 16, func(l int) int { return 128 * l }, 32, 4},
		{"16 bytes of rows of 144, as in padded rows", 16, func(l int) int { return 144 * l }, 4, 4},
		{"ldmatrix of rows of 64", 0, func(l int) int { return 64 * l }, 16, 4},
		{"ldmatrix of rows of 128", 0, func(l int) int { return 128 * l }, 32, 4},
		// As the kernels swizzle a tile with 4 and with 8 steps of 16 bytes in a row.
		{"ldmatrix of swizzled rows of 64", 0, func(l int) int { return 16 * (l*4 + (1 ^ l>>1&3)) }, 4, 4},
		{"ldmatrix of swizzled rows of 128", 0, func(l int) int { return 16 * (l*8 + (3 ^ l&7)) }, 4, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := make([]uint32, 32)
			for l := range table {
				table[l] = uint32(c.at(l))
			}
			load := map[int]string{2: "ld.shared.u16 %r5, [%r4];", 4: "ld.shared.f32 %f1, [%r4];", 8: "ld.shared.v2.f32 {%f1, %f2}, [%r4];",
				16: "ld.shared.v4.f32 {%f1, %f2, %f3, %f4}, [%r4];",
				0:  "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r5, %r6, %r7, %r8}, [%r4];"}[c.bytes]
			text := func(load string) string {
				return kernel(".shared .align 16 .b8 tile[8192];\n", 1, `	mov.u32 %r1, tile;
	mov.u32 %r2, 0;
	mul.lo.s32 %r9, %r0, 16;
	add.s32 %r9, %r9, %r1;
$fill:
	mov.f32 %f1, 0f00000000;
	st.shared.v4.f32 [%r9], {%f1, %f1, %f1, %f1};
	add.s32 %r9, %r9, 512;
	add.s32 %r2, %r2, 1;
	setp.lt.u32 %p1, %r2, 16;
	@%p1 bra $fill;
	bar.sync 0;
	mul.wide.u32 %rd1, %r0, 4;
	add.s64 %rd2, %in0, %rd1;
	ld.global.u32 %r3, [%rd2];
	add.s32 %r4, %r1, %r3;
	`+load+"\n")
			}
			l := launched{grid: 1, block: 32, memory: [][]byte{packed(table)}}
			with := in.count(t, text(load), l)
			without := in.count(t, text(""), l)
			got, ideal := with.SharedWavefronts-without.SharedWavefronts, with.SharedIdeal-without.SharedIdeal
			if got != c.wavefronts || ideal != c.ideal {
				t.Errorf("%d wavefronts, ideally %d; want %d and %d", got, ideal, c.wavefronts, c.ideal)
			}
			if n := with.SharedRequests - without.SharedRequests; n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// Sectors of global memory for known patterns, of two warps, and what of it is new.
func TestInterpreterSectors(t *testing.T) {
	in := openInterpreter(t)
	for _, c := range []struct {
		name              string
		stride, bytes     int
		sectors, distinct uint64
	}{
		{"neighbouring words", 4, 4, 8, 8},
		{"every second word", 8, 4, 16, 16},
		{"a word of each sector", 32, 4, 64, 64},
		{"one word", 0, 4, 2, 1},
		{"neighbouring 16 bytes", 16, 16, 32, 32},
	} {
		t.Run(c.name, func(t *testing.T) {
			load := map[int]string{4: "ld.global.f32 %f1, [%rd2];", 16: "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd2];"}[c.bytes]
			text := kernel("", 2, fmt.Sprintf(`	mul.wide.u32 %%rd1, %%r0, %d;
	add.s64 %%rd2, %%in0, %%rd1;
	%s
	mul.wide.u32 %%rd3, %%r0, 4;
	add.s64 %%rd4, %%in1, %%rd3;
	st.global.f32 [%%rd4], %%f1;
`, c.stride, load))
			// Both begin at a sector.
			memory := [][]byte{aligned(64 * max(c.stride, c.bytes)), aligned(256)}
			got := in.count(t, text, launched{grid: 1, block: 64, memory: memory})
			if got.LoadRequests != 2 || got.LoadBytes != uint64(64*c.bytes) || got.LoadSectors != c.sectors || got.DistinctRead != c.distinct {
				t.Errorf("%d loads of %d bytes in %d sectors, %d of them distinct; want 2, %d, %d and %d", got.LoadRequests,
					got.LoadBytes, got.LoadSectors, got.DistinctRead, 64*c.bytes, c.sectors, c.distinct)
			}
			if got.StoreRequests != 2 || got.StoreBytes != 256 || got.StoreSectors != 8 || got.DistinctWritten != 8 {
				t.Errorf("%d stores of %d bytes in %d sectors, %d of them distinct; want 2, 256, 8 and 8", got.StoreRequests,
					got.StoreBytes, got.StoreSectors, got.DistinctWritten)
			}
		})
	}
}

// Instructions, lanes and flops of a kernel in which half of a warp goes another way.
func TestInterpreterCounts(t *testing.T) {
	in := openInterpreter(t)
	product := tensorProduct(false)
	got := in.count(t, kernel("", 0, `	setp.lt.u32 %p1, %r0, 16;
	@%p1 bra $second;
	mov.f32 %f1, 0f3F800000;
	fma.rn.f32 %f2, %f1, %f1, %f1;
	add.f32 %f3, %f2, %f1;
	bra $met;
$second:
	add.f64 %fd1, %fd2, %fd3;
$met:
	bar.sync 0;
`), launched{grid: 3, block: 32})
	want := map[string]uint64{"integer": 3, "f32": 6, "f64": 3, "move": 6, "branch": 9, "barrier": 3}
	var all uint64
	for name, n := range got.Classes {
		if n != want[name] {
			t.Errorf("%d instructions of class %s, want %d", n, name, want[name])
		}
		all += n
	}
	if got.Instructions != all || got.F32 != 3*16*3 || got.F64 != 3*16 {
		t.Errorf("%d instructions, %d and %d flops; want %d, 144 and 48", got.Instructions, got.F32, got.F64, all)
	}
	// Of 10 instructions the 5 between the branches are done by half a warp.
	if lanes := (5*32 + 5*16) / 10.0; !(got.AverageLanes == lanes) {
		t.Errorf("%v lanes on average, want %v", got.AverageLanes, lanes)
	}
	memory := [][]byte{aligned(512), aligned(256), aligned(512), aligned(512)}
	if got := in.count(t, product, launched{grid: 1, block: 32, memory: memory}); got.MMA != 4096 || strings.Count(product, "mma") != 1 {
		t.Errorf("%d flops of one product of 16 by 8 by 16, want 4096", got.MMA)
	}
}
